"""The page on metrics lists what there is, and what is made for monitoring uses nothing else."""

import json
import re
from pathlib import Path

import pytest

from taskqueue.http.metrics.exposition import Exposition
from taskqueue.http.metrics.names import METRICS, Metric

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/metrics.md").read_text()
MONITORING = ROOT / "examples/monitoring"
FILES = sorted(MONITORING.iterdir())

_SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_OF_PROMETHEUS = {"instance", "job", "le"}


def listed() -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = re.findall(r"^\| `(taskqueue_\w+)` \| (\w+) \| ([`\w ]*) \|", PAGE, re.MULTILINE)
    assert len(rows) == len({name for name, *_ in rows})
    return {name: (kind, tuple(re.findall(r"\w+", labels))) for name, kind, labels in rows}


def series() -> dict[str, Metric | None]:
    """Return every name that can be asked for, with its metric; None for those of the process."""
    ours = {metric.name + suffix: metric for metric in METRICS for suffix in _SUFFIXES[metric.kind]}
    return ours | dict.fromkeys(re.findall(r"process_\w+", PAGE))


def expressions(file: Path) -> list[str]:
    """Return what a file asks Prometheus for."""
    text = file.read_text()
    if file.suffix == ".json":
        dashboard = json.loads(text)
        variables = [str(each["query"]) for each in dashboard["templating"]["list"]]
        asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        return [*variables, *asked]
    return re.findall(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", text, re.DOTALL)


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    assert listed() == {metric.name: (metric.kind, metric.labels) for metric in METRICS}


def test_the_page_lists_what_the_registry_has_and_nothing_else() -> None:
    exposition = Exposition()

    text = exposition.text(dict.fromkeys(METRICS, ())).decode()

    served = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert served == listed().keys() | set(re.findall(r"process_\w+", PAGE))


def test_every_metric_is_in_the_dashboard_or_says_nothing_over_time() -> None:
    asked = " ".join(expressions(MONITORING / "grafana-dashboard.json"))

    assert [metric.name for metric in METRICS if metric.name not in asked] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_monitors_a_service_names_only_what_there_is(file: Path) -> None:
    known = series()
    for expression in expressions(file):
        names = re.findall(r"\b(?:taskqueue|process)_\w+", expression)
        allowed = {label for name in names if (of := known[name]) for label in of.labels}
        used = re.findall(r"(\w+)=~?\"", expression)
        for group in re.findall(r"\b(?:by|on) \(([\w, ]*)\)", expression):
            used += group.split(", ")

        assert names or expression in {"prometheus", 'up{job="taskqueue"} == 0'}
        assert set(used) - _OF_PROMETHEUS <= allowed, expression


def test_the_rules_and_the_dashboard_ask_for_something() -> None:
    assert len(expressions(MONITORING / "taskqueue.rules.yml")) == 14
    assert len(expressions(MONITORING / "grafana-dashboard.json")) > 25
