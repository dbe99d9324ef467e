"""The page on operating is complete, and names what there is."""

import re

from taskqueue.settings import OPTIONS
from tests.deploying.environments import ROOT
from tests.deploying.settings_table import PAGE, renewed

TEXT = PAGE.read_text()


def test_the_table_of_settings_is_that_of_the_registry() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \|", TEXT, re.MULTILINE)

    assert [key for key in rows if key in {option.key for option in OPTIONS}] == [
        option.key for option in OPTIONS
    ]
    assert renewed(TEXT) == TEXT, "python -m tests.deploying.settings_table renews it"


def test_every_file_that_the_page_links_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)

    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_every_file_for_a_deployment_is_on_the_page() -> None:
    files = sorted((ROOT / "examples/deploy").iterdir())

    assert [file.name for file in files if f"examples/deploy/{file.name})" not in TEXT] == []


def test_the_alerts_of_the_page_are_among_the_rules() -> None:
    rules = (ROOT / "examples/monitoring/taskqueue.rules.yml").read_text()
    named = set(re.findall(r"`(Taskqueue\w+)`", TEXT))

    assert len(named) == 3
    assert named <= set(re.findall(r"alert: (\w+)", rules))
