"""Alert rules and dashboard name metrics and labels that exist. tests/integration/test_prometheus.py runs them."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from django.core.management import get_commands

from notifications.operations.problem import Grade
from notifications.status.metric_families import FAMILIES

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
RULES: Final = (DEPLOY / "prometheus" / "proppy.rules.yml").read_text()
DASHBOARD: Final = (DEPLOY / "grafana" / "proppy.json").read_text()
TEXTS: Final = {"rules": RULES, "dashboard": DASHBOARD.replace('\\"', '"')}
ENDS: Final = {"gauge": ("",), "counter": ("",), "histogram": ("_bucket", "_sum", "_count")}
NAMES: Final = {name + end for name, family in FAMILIES.items() for end in ENDS[family.kind]} - {
    "proppy_intake_duration_seconds_sum"
}
LABELS: Final = {label for family in FAMILIES.values() for label in family.labels} | {"job", "instance", "le"}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_metrics_labels_and_grades_exist(text: str) -> None:
    named = set(re.findall(r"(?<!:)\bproppy_[a-z_]+\b", text)) - set(get_commands())
    assert len(named) >= 10
    assert named <= NAMES
    matched = [re.findall(r"(\w+)(?:=~?|!=)\"", braces) for braces in re.findall(r"\bproppy_\w+\{(.*?)\}", text)]
    grouped = re.findall(r"(?:by|without|on) \(([\w, ]+)\)", text)
    shown = re.findall(r"\$labels\.(\w+)|\{\{(\w+)\}\}", text)
    labels = {label for each in matched for label in each} | {label for each in grouped for label in each.split(", ")}
    assert labels | {label for each in shown for label in each if label} <= LABELS
    grades = {grade for each in re.findall(r'grade=~?"([\w|]+)"', text) for grade in each.split("|")}
    assert grades <= set(Grade)


def test_each_alert_says_what_to_do() -> None:
    for rule in re.split(r"\n +- ", RULES):
        if rule.startswith("alert: "):
            assert re.search(r"severity: (critical|warning)\b", rule), rule
            for annotation in ("summary", "description", "docs"):
                assert re.search(rf"^ +{annotation}: \S", rule, re.MULTILINE), rule


def test_the_dashboard_asks_the_prometheus_that_is_chosen_and_overlaps_nowhere() -> None:
    board = json.loads(DASHBOARD)
    (panels, taken) = board["panels"], set[tuple[int, int]]()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for asked in [panel, *panel.get("targets", ())] if panel["type"] != "row" else ():
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "job"]
