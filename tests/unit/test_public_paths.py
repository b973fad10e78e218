"""The paths that other projects import, and name in their settings: they stay, or CHANGELOG.md has the new one."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

import pytest

import notifications

ROOT: Final = Path(__file__).resolve().parents[2]
#: All of them: the module, and what it has for others.
PUBLIC: Final = {
    "notifications": (
        *("emit", "keep", "capture", "akeep", "acapture", "raw_body", "on_event", "on_payload"),
        *("Event", "GiveUp", "RetryAt", "IntakeError"),
    ),
    "notifications.asgi": ("get_asgi_application",),
    "notifications.backends.postgresql": ("base",),
    "notifications.bodies": ("FolderStorage",),
    "notifications.channels": ("Channel", "Unavailable", "Undeliverable"),
    "notifications.channels.report": ("Report",),
    "notifications.channels.slack": ("Slack",),
    "notifications.channels.webhook": ("Webhook",),
    "notifications.doctor": ("Finding", "failed", "ok", "register", "unknown", "warning"),
    "notifications.health": ("StatusPages",),
    "notifications.log": ("JournalFormatter", "JournalHandler", "PayloadFilter", "ReadableFormatter", "mark_stderr"),
    "notifications.middleware": ("RequestStats",),
    "notifications.models": ("RawPayload",),
    "notifications.patience": ("PatientRequests",),
    "notifications.proxies": ("TrustedProxies", "client_address"),
    "notifications.signals": (
        *("event_delivered", "failure_group_changed", "gate_answered", "payload_failed", "payload_handled"),
    ),
    "notifications.sqlite": ("database", "use_fixed_sqlite"),
    "notifications.testing": ("GateClient", "Told", "handle_bytes", "told", "work_off"),
    "notifications.urls": ("urlpatterns",),
    "notifications.views": ("intake",),
    "notifications.wsgi": ("get_wsgi_application",),
}
#: Those that ended, and where it is now.
MOVED: Final = {
    "notifications.raw.folder_storage.FolderStorage": "notifications.bodies.FolderStorage",
    "notifications.raw.log.PayloadFilter": "notifications.log.PayloadFilter",
}


@pytest.mark.parametrize("path", [f"{module}.{name}" for module, names in PUBLIC.items() for name in names])
def test_it_can_be_imported(path: str) -> None:
    assert resolve_name(path) is not None


def test_what_the_package_itself_has_is_listed() -> None:
    assert sorted(PUBLIC["notifications"]) == sorted(notifications.__all__)


def test_the_page_for_other_projects_has_them_all() -> None:
    section = (ROOT / "docs" / "your-project.md").read_text().partition("\n## Public paths\n")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", section, re.MULTILINE)
    assert {module: sorted(re.findall(r"`(\w+)`", names)) for module, names in rows} == {
        module: sorted(names) for module, names in PUBLIC.items()
    }


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_what_has_moved_is_in_the_changelog(old: str, new: str) -> None:
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    assert f"`{old}` is now `{new}`" in changelog
    assert new in [f"{module}.{name}" for module, names in PUBLIC.items() for name in names]
    with pytest.raises(ModuleNotFoundError):
        import_module(old.rpartition(".")[0])
