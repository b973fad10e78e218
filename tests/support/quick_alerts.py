"""An app that makes alerts come within seconds: what takes a minute, so that a restart is no alert."""

from typing import Any

from django.apps import AppConfig


class QuickAlerts(AppConfig):
    name = "tests.support.quick_alerts"

    def ready(self) -> None:
        from notifications.operations import watch
        from notifications.operations.problem import KINDS
        from notifications.workers import heartbeat

        quick: Any = {
            heartbeat: {"FROZEN": 3.0, "INTERVAL": 0.5},
            watch: {"INTERVAL": 0.5, "OVER": 1.0, "PATIENCE": 1.0},
        }
        for module, values in quick.items():
            for name, value in values.items():
                setattr(module, name, value)
        KINDS.update({name: kind._replace(patience=min(kind.patience, 3.0)) for name, kind in KINDS.items()})
