"""What is declared of limits when an action is registered, and what its tasks count towards."""

import doctest
import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from taskqueue import App, ConfigError, Context, InvalidTask, Limit
from taskqueue.api.limits import AnyLimits
from taskqueue.rules import limits
from taskqueue.rules.limits import LimitUse, LimitValues, decoded
from taskqueue.rules.options import Options

AN_ID = UUID("0197a4c8-0000-7000-8000-000000000000")


class Colour(enum.Enum):
    RED = "red"


def uses(task_limits: str | None) -> list[tuple[str, str | None, float]]:
    return [(use.name, use.key, use.cost) for use in decoded(task_limits)]


def faults_of(make: Callable[[], object], error: type[Exception]) -> list[str]:
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, InvalidTask | ConfigError)
    return [str(fault) for fault in caught.value.faults]


def registered(limit: Any, app: App | None = None, action: str = "mail") -> App:
    app = app or App()

    @app.task(action, limit=limit)
    async def mail(ctx: Context, domain: str = "example.org", tokens: float = 1.0) -> None: ...

    return app


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit(running=2), [("mail", None, 1.0)]),
        (Limit(running=2, name="smtp"), [("smtp", None, 1.0)]),
        (Limit(running=2, key="smtp"), [("smtp", None, 1.0)]),
        (Limit(running=2, key="smtp:{domain}"), [("smtp", "example.org", 1.0)]),
        (Limit(running=2, key="{domain}"), [("mail", "example.org", 1.0)]),
        (Limit(running=2, key="smtp:{domain}:{tokens}"), [("smtp", "example.org:1", 1.0)]),
        (
            Limit(running=2, key="smtp:{domain}", name="out"),
            [("out", "smtp:example.org", 1.0)],
        ),
        (Limit(running=2, key="{{{domain}}}"), [("mail", "{example.org}", 1.0)]),
        (Limit(starts=9, per_s=60, burst=3, cost=2), [("mail", None, 2.0)]),
        (Limit(starts=9, cost="{tokens}"), [("mail", None, 1.0)]),
        (
            (Limit(running=2), Limit(starts=9, key="smtp:{domain}")),
            [("mail", None, 1.0), ("smtp", "example.org", 1.0)],
        ),
    ],
)
def test_a_task_counts_towards_the_limits_of_its_action(
    limit: AnyLimits, expected: list[tuple[str, str | None, float]]
) -> None:
    assert uses(registered(limit).prepare("mail").limits) == expected


def test_without_limits_a_task_keeps_nothing() -> None:
    app = registered(())

    assert app.prepare("mail").limits is None
    assert app.limits == {}


def test_what_is_declared_is_known_by_name() -> None:
    app = registered((Limit(running=2, name="slots"), Limit(starts=100, per_s=60, burst=20)))

    assert app.limits == {
        "slots": LimitValues(running=2),
        "mail": LimitValues(starts=100, per_s=60, burst=20),
    }


@pytest.mark.parametrize(
    ("annotation", "value", "key"),
    [
        (str, "a b", "a b"),
        (int, 7, "7"),
        (float, 7.5, "7.5"),
        (float, 7.0, "7"),
        (bool, True, "true"),
        (UUID, AN_ID, str(AN_ID)),
        (Colour, Colour.RED, "red"),
        (Decimal, Decimal("1.50"), "1.50"),
    ],
)
def test_a_key_is_made_of_what_the_handler_gets(annotation: Any, value: Any, key: str) -> None:
    app = App()

    async def work(ctx: Context, of: Any) -> None: ...

    work.__annotations__["of"] = annotation
    action = app.task("work", limit=Limit(running=1, key="{of}"))(work)

    assert uses(action.prepare(value).limits) == [("work", key, 1.0)]


def test_a_handler_of_any_data_has_its_fields_when_a_task_is_made() -> None:
    app = App()

    @app.task("work", limit=Limit(running=1, key="{tenant}"))
    async def work(ctx: Context, /, **data: Any) -> None: ...

    assert uses(work.prepare(tenant=7).limits) == [("work", "7", 1.0)]
    assert faults_of(work.prepare, InvalidTask) == [
        "data.tenant: must be text or a number: it is in the key of the limit 'work'"
    ]


KEYED = Limit(starts=10, key="smtp:{domain}", cost="{tokens}")


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b'{"domain": ""}', ["data.domain: must give the limit 'smtp' a key of 1 to 255"]),
        (b'{"domain": "a\\nb"}', ["data.domain: must give the limit 'smtp' a key of 1 to 255"]),
        (
            b'{"domain": "%s"}' % (b"x" * 256),
            ["data.domain: must give the limit 'smtp' a key of 1 to 255"],
        ),
        (b'{"tokens": 0}', ["data.tokens: must be a number above 0"]),
        (
            b'{"tokens": -1, "domain": ""}',
            ["data.domain: must give the limit", "data.tokens: must be a number above 0"],
        ),
    ],
)
def test_data_that_gives_no_key_or_no_cost_is_refused(data: bytes, faults: list[str]) -> None:
    app = registered(KEYED)

    found = faults_of(lambda: app.prepare("mail", data), InvalidTask)

    assert len(found) == len(faults)
    for fault, beginning in zip(found, faults, strict=True):
        assert fault.startswith(beginning)


@pytest.mark.parametrize(
    ("limit", "faults"),
    [
        (Limit(), ["limit.running: is missing; give running, starts, or both"]),
        (Limit(running=0), ["limit.running: must be a whole number from 1"]),
        (Limit(running=True), ["limit.running: must be a whole number from 1"]),
        (Limit(starts=0), ["limit.starts: must be a number above 0"]),
        (Limit(starts=float("nan")), ["limit.starts: must be a number above 0"]),
        (
            Limit(starts=1, per_s=0, burst=0.5, cost=-1),
            [
                "limit.per_s: must be a number of seconds above 0",
                "limit.burst: must be a number from 1",
                "limit.cost: must be a number above 0",
            ],
        ),
        (
            Limit(running=1, per_s=60, burst=2, cost=2),
            [f"limit.{name}: needs starts beside it" for name in ("per_s", "burst", "cost")],
        ),
        (Limit(running=1, name="a/b"), ["limit.name: must be 1 to 128 printable characters with"]),
        (Limit(running=1, key="a/{domain}"), ["limit.name: must be 1 to 128 printable char"]),
        (Limit(running=1, key=""), ["limit.key: must be text with the fields"]),
        (Limit(running=1, key="{"), ["limit.key: cannot be read: "]),
        (Limit(running=1, key="{}"), ["limit.key: {} must be the name of a field"]),
        (Limit(running=1, key="{domain.x}"), ["limit.key: {domain.x} must be the name of a field"]),
        (Limit(running=1, key="{domain!r}"), ["limit.key: {domain} must be the name of a field"]),
        (
            Limit(running=1, key="{city}"),
            ["limit.key: {city} is no field of the data; the handler takes domain, tokens"],
        ),
        (Limit(running=1, key="{ctx}"), ["limit.key: {ctx} is no field of the data; the handler"]),
        (
            Limit(starts=1, cost="2 {tokens}"),
            ['limit.cost: must be a number, or one field as "{tokens}"'],
        ),
        ("smtp", ["limit: must be Limit(…), or several in a tuple"]),
        (
            (Limit(running=1), Limit(starts=1), 7),
            [
                "limit[1].name: 'mail' is used twice; give it another",
                "limit[2]: must be Limit(…), or several in a tuple",
            ],
        ),
    ],
)
def test_a_limit_that_cannot_be_is_refused_with_every_fault(limit: Any, faults: list[str]) -> None:
    found = faults_of(lambda: registered(limit), ConfigError)

    assert len(found) == len(faults)
    for fault, beginning in zip(found, faults, strict=True):
        assert fault.startswith(f"task 'mail', {beginning}")


def test_one_name_stands_for_one_limit() -> None:
    app = registered(Limit(running=2, name="smtp"))

    registered(Limit(running=2, key="smtp:{domain}"), app, "letter")
    found = faults_of(
        lambda: registered(Limit(starts=9, per_s=60, name="smtp"), app, "post"), ConfigError
    )

    assert found == [
        (
            "task 'post', limit: 'smtp' is declared with running=2; "
            "use the same values, or give it another name"
        )
    ]
    assert "post" not in app.actions
    assert app.limits == {"smtp": LimitValues(running=2)}


def test_the_limit_of_a_queue_counts_for_every_action() -> None:
    app = registered(Limit(running=2))
    app.queue("slow", limit=Limit(running=5))

    there = app.prepare("mail", options=Options(queue="slow"))
    elsewhere = app.prepare("mail")

    assert uses(there.limits) == [("mail", None, 1.0), ("queue:slow", None, 1.0)]
    assert uses(elsewhere.limits) == [("mail", None, 1.0)]


def test_a_limit_that_both_an_action_and_its_queue_have_counts_once() -> None:
    app = registered(Limit(running=2, key="smtp:{domain}"))
    app.queue("default", limit=Limit(running=2, name="smtp"))

    assert uses(app.prepare("mail").limits) == [("smtp", "example.org", 1.0)]


def test_what_a_queue_cannot_have_is_refused() -> None:
    app = registered(Limit(running=2))
    app.queue("slow", limit=Limit(running=5))

    twice = faults_of(lambda: app.queue("slow", limit=Limit(running=5)), ConfigError)
    fields = faults_of(lambda: app.queue("fast", limit=Limit(running=5, key="{a}")), ConfigError)
    other = faults_of(lambda: app.queue("fast", limit=Limit(running=5, name="mail")), ConfigError)
    nameless = faults_of(lambda: app.queue("", limit=Limit(running=5)), ConfigError)
    ageless = faults_of(lambda: app.queue("old", ageing_s=-1), ConfigError)

    assert twice == ["queue 'slow', limit: is declared already; give all of them at once"]
    assert fields == [
        "queue 'fast', limit.key: {a} is no field of the data; the handler takes no data"
    ]
    assert len(other) == 1
    assert len(nameless) == 1
    assert ageless == ["queue 'old', ageing_s: must be a number of seconds above 0"]
    assert app.queues == ("default", "slow")


def test_numbers_of_other_types_are_converted_once() -> None:
    app = registered(Limit(starts=Decimal(100), per_s=Decimal(60)))  # type: ignore[arg-type]

    assert app.limits == {"mail": LimitValues(starts=100.0, per_s=60.0)}


def test_what_is_kept_with_a_task_is_read_back() -> None:
    several = (LimitUse("a"), LimitUse("b", "k", 2.5))

    assert decoded(limits.encoded(several)) == several
    assert [use.shown for use in several] == ["a", "b:k"]
    assert limits.encoded(()) is None


def test_the_examples_in_the_rules_hold() -> None:
    assert doctest.testmod(limits).failed == 0
