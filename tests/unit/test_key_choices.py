"""Which key a task gets from the choices about it and about its action."""

import doctest
from typing import Any

import pytest

from taskqueue import App, ConfigError, InvalidTask
from taskqueue.rules import uniqueness
from taskqueue.rules.key_choices import MadeKey, NewData, made_key
from taskqueue.rules.options import Defaults, Options
from taskqueue.rules.uniqueness import KeyRule, OnRepeat, Scope, key_of, scope_of, shown_key

NEW = NewData(action="sync", queue="mail", data=b'{"user_id": 7}', payload="{}")
KEY = Options(unique_key="k")
BY = Options(unique_by=("user_id",))


def made(
    options: Options, defaults: Defaults | None = None, idempotency_key: str | None = None
) -> MadeKey:
    return made_key(options, defaults or Defaults(), NEW, idempotency_key=idempotency_key)


def test_the_docstrings_are_true() -> None:
    assert doctest.testmod(uniqueness).failed == 0


@pytest.mark.parametrize(
    ("options", "defaults", "rule"),
    [
        (KEY, {}, None),
        (KEY, {"unique_until": "ended"}, KeyRule(until="ended")),
        (Options(unique_key="k", unique_until=5.0), {"unique_until": "ended"}, KeyRule(until=5.0)),
        (BY, {}, KeyRule(until="ended", on_repeat=OnRepeat.KEEP)),
        (BY, {"on_repeat": "replace"}, KeyRule(until="started", on_repeat=OnRepeat.REPLACE)),
        (
            Options(unique_key="k", on_repeat="postpone", delay_s=5.0, latest_s=60.0),
            {},
            KeyRule(until="started", on_repeat=OnRepeat.POSTPONE, latest_s=60.0),
        ),
        (Options(unique_key="k", on_repeat="keep"), {}, KeyRule(on_repeat=OnRepeat.KEEP)),
    ],
)
def test_what_is_not_said_about_a_key_follows_from_what_is(
    options: Options, defaults: dict[str, Any], rule: KeyRule | None
) -> None:
    assert made(options, Defaults(**defaults)).rule == rule


@pytest.mark.parametrize(
    ("options", "key", "scope"),
    [
        (KEY, "k", Scope.GLOBAL),
        (Options(unique_key="k", unique_scope="queue"), "k", Scope.QUEUE),
        (BY, "user_id=7", Scope.ACTION),
        (Options(unique_by=("user_id",), unique_scope="global"), "user_id=7", Scope.GLOBAL),
        (Options(unique_by=("no", "user_id")), "no=null, user_id=7", Scope.ACTION),
    ],
)
def test_a_key_that_is_given_is_global_and_one_of_the_data_belongs_to_its_action(
    options: Options, key: str, scope: Scope
) -> None:
    stored = made(options).key

    assert stored is not None
    assert (shown_key(stored), scope_of(stored)) == (key, scope)


def test_the_key_of_the_caller_comes_before_that_of_the_data_and_of_the_request() -> None:
    by_user = Defaults(unique_by=("user_id",))

    found = [
        made(KEY, by_user, "request").key,
        made(Options(), by_user, "request").key,
        made(Options(), Defaults(unique_until="ended"), "request"),
        made(Options(), Defaults(unique_until="ended")),
    ]

    assert found == [
        "k",
        "user_id=7\x1faction\x1fsync",
        MadeKey(key="request", fingerprint=Options(unique_key="request").fingerprint("{}")),
        MadeKey(),
    ]


def test_a_rejected_request_is_known_again_by_its_idempotency_key_alone() -> None:
    options = Options(unique_key="k", on_repeat="reject")

    one, again, other = (made(options, None, key).fingerprint for key in ("a", "a", "b"))

    assert made(options).fingerprint is None
    assert one == again != other


@pytest.mark.parametrize(
    ("data", "names", "key"),
    [
        (b'{"a": 7.0, "b": "x"}', ("a", "b"), 'a=7, b="x"'),
        (b'{"a": {"z": 1, "y": [true]}}', ("a",), 'a={"y":[true],"z":1}'),
        (b'{"a": null}', ("a",), "a=null"),
        ('{"a": "größe"}'.encode(), ("a",), 'a="größe"'),
    ],
)
def test_a_key_of_the_data_can_be_read(data: bytes, names: tuple[str, ...], key: str) -> None:
    assert key_of(data, names) == key


def test_a_key_of_the_data_that_is_long_or_cannot_be_printed_is_a_digest() -> None:
    keys = {key_of(b'{"a": "%s"}' % text, ("a",)) for text in (b"x" * 300, "\u200b".encode())}

    assert {len(key) for key in keys} == {64}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (Options(on_repeat="keep"), "on_repeat"),
        (Options(unique_until="ended"), "unique_until"),
        (Options(unique_key="k", latest_s=5.0), "latest_s"),
        (Options(unique_key="k", on_repeat="postpone"), "on_repeat"),
        (Options(unique_key="k", unique_by=("user_id",)), "unique_by"),
        (Options(unique_by=("nothing",)), "unique_by"),
        (Options(unique_by=()), "unique_by"),
        (Options(unique_key="k", unique_scope="world"), "unique_scope"),
        (Options(unique_key="k", unique_until="tomorrow"), "unique_until"),
        (Options(unique_key="k", unique_until=0), "unique_until"),
        (Options(unique_key="k", on_repeat="explode"), "on_repeat"),
    ],
)
def test_choices_that_do_not_go_together_are_refused_by_name(options: Options, field: str) -> None:
    app = App()

    @app.task
    async def sync(user_id: int) -> None: ...

    with pytest.raises(InvalidTask) as refused:
        app.prepare("sync", b'{"user_id": 7}', options=options)

    assert [fault.field for fault in refused.value.faults] == [field]


@pytest.mark.parametrize(
    ("choices", "fault"),
    [
        ({"unique_by": ("user",)}, r"unique_by: the handler takes no 'user'"),
        ({"unique_by": "user_id"}, r"unique_by: must be 1 to 16 names"),
        ({"unique_by": ("user_id",), "on_repeat": "drop"}, "on_repeat: must be one of keep"),
        ({"unique_by": ("user_id",), "latest_s": 5}, "latest_s: needs on_repeat"),
    ],
)
def test_a_choice_of_an_action_that_cannot_work_is_refused_when_it_is_registered(
    choices: dict[str, Any], fault: str
) -> None:
    app = App()

    with pytest.raises(ConfigError, match=fault):

        @app.task(**choices)
        async def sync(user_id: int) -> None: ...


def test_an_action_makes_the_key_of_each_of_its_tasks() -> None:
    app = App()

    @app.task(unique_by=["user_id"], on_repeat="replace")
    async def sync(user_id: int, *, full: bool = False) -> None: ...

    tasks = [
        sync.prepare(user_id=7),
        sync.prepare(user_id=7, full=True),
        sync.with_options(unique_until=60).prepare(user_id=8),
    ]

    assert [shown_key(str(task.unique_key)) for task in tasks] == ["user_id=7"] * 2 + ["user_id=8"]
    assert [task.key_rule and task.key_rule.until for task in tasks] == ["started", "started", 60.0]
