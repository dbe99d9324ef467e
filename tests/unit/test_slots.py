"""How many handlers a consumer runs at once, unless the operator says so."""

import doctest
from typing import Any

import pytest

from taskqueue import App, Settings
from taskqueue.rules import slots as rule
from taskqueue.settings import load
from taskqueue.supervisor import pools


@pytest.fixture
def app() -> App:
    """An app with a queue for each executor."""
    app = App()

    @app.task(queue="web")
    async def fetch() -> None: ...

    @app.task(queue="files")
    def copy() -> None: ...

    @app.task(queue="pictures", executor="process")
    def resize() -> None: ...

    return app


def of_pools(app: App, **settings: Any) -> dict[str, int]:
    return {pool.name: pool.slots for pool in pools(app, Settings(**settings))}


def test_the_most_demanding_executor_of_a_pool_decides(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)

    assert of_pools(app, queues={"web": 1, "files": 2, "pictures": 3}) == {
        "consumer": 32,
        "consumer-web": 32,
        "consumer-files": 4,
        "consumer-pictures": 2,
    }
    assert of_pools(app, consumers=2) == {"consumer": 3}
    assert of_pools(app, consumers=12) == {"consumer": 1}
    assert of_pools(app, queues={"pictures": 1}) == {"consumer": 4, "consumer-pictures": 6}


def test_a_default_handler_may_get_the_tasks_of_every_queue(app: App) -> None:
    @app.default
    def anything(data: object) -> None: ...

    assert of_pools(app, queues={"web": 1})["consumer-web"] == 4


def test_a_number_holds_for_every_pool(app: App) -> None:
    assert set(of_pools(app, slots=7, queues={"web": 1, "pictures": 1}).values()) == {7}


@pytest.mark.parametrize(("spelled", "slots"), [("auto", "auto"), ("9", 9)])
def test_it_is_set_by_a_number_or_by_auto(
    spelled: str, slots: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cwd")

    assert load({}, {"TASKQUEUE_SLOTS": spelled}, folder).slots == slots


def test_the_examples_in_the_docstring_are_true() -> None:
    result = doctest.testmod(rule)

    assert result.attempted > 0
    assert result.failed == 0
