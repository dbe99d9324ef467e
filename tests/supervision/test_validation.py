"""What a supervisor is given as plain mappings is read, and refused, in OTP's order."""

import math

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import Ignore
from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildSpec,
    Flags,
    Intensity,
    InvalidSpec,
    Restart,
    Strategy,
    Supervisor,
    check_childspecs,
    get_childspec,
    overview,
    start_child,
)
from taskqueue.supervision.validation import read_child, read_flags


async def start() -> None:
    raise NotImplementedError


def fault_of(*specs: object, auto_shutdown: AutoShutdown | None = None) -> tuple[str, object]:
    with pytest.raises(InvalidSpec) as refused:
        check_childspecs(specs, auto_shutdown)
    return refused.value.tag, refused.value.value


# Each has the fault that is named and all that are looked for later.
LAST = {"shutdown": -1}
LATE = LAST | {"type": "robot"}
FAULTS = (
    ("nonsense", "invalid_child_spec", "nonsense"),
    (LATE, "missing_id", None),
    (LATE | {"id": "a"}, "missing_start", None),
    (LATE | {"id": "a", "start": "x", "restrat": "x"}, "unknown_key", "restrat"),
    (LATE | {"id": "a", "start": start, "restart": "always"}, "invalid_restart_type", "always"),
    (
        LATE | {"id": "a", "start": start, "significant": True},
        "bad_combination",
        {"restart": "permanent", "significant": True},
    ),
    (LATE | {"id": "a", "start": start, "significant": "yes"}, "invalid_significant", "yes"),
    (LATE | {"id": "a", "start": start}, "invalid_child_type", "robot"),
    (LAST | {"id": "a", "start": start}, "invalid_shutdown", -1),
    ({"id": "a", "start": "x"}, "invalid_mfa", "x"),
)


@pytest.mark.parametrize(("given", "tag", "value"), FAULTS, ids=[tag for _, tag, _ in FAULTS])
def test_the_first_fault_in_otps_order_is_the_answer(
    given: object, tag: str, value: object
) -> None:
    assert fault_of(given) == (tag, value)


def test_a_mapping_is_read_as_the_specification_it_spells() -> None:
    given = {"id": "a", "start": start, "restart": "transient", "shutdown": BRUTAL_KILL}

    spec = read_child(given, AutoShutdown.NEVER)

    wanted = ChildSpec(id="a", start=start, restart=Restart.TRANSIENT, shutdown=BRUTAL_KILL)
    assert spec == wanted


def test_a_significant_child_without_effect_is_refused_only_if_the_supervisor_is_known() -> None:
    significant = {"id": "a", "start": start, "restart": "temporary", "significant": True}
    spec = ChildSpec(**significant | {"restart": Restart.TEMPORARY})

    check_childspecs([significant])
    check_childspecs([spec], AutoShutdown.ALL_SIGNIFICANT)
    for given in (significant, spec):
        assert fault_of(given, auto_shutdown=AutoShutdown.NEVER) == (
            "bad_combination",
            {"auto_shutdown": "never", "significant": True},
        )


def test_a_repeated_id_is_found_when_it_is_met() -> None:
    a, wrong = {"id": "a", "start": start}, {"id": "b"}

    assert fault_of(a, a, wrong) == ("duplicate_child_name", "a")
    assert fault_of(a, wrong, a) == ("missing_start", None)


@pytest.mark.parametrize("given", [{"id": "a", "start": start}, "a", 3])
def test_what_is_no_list_is_a_bad_argument(given: object) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check_childspecs(given)

    assert (refused.value.tag, refused.value.value) == ("badarg", given)


def test_an_auto_shutdown_that_there_is_not_is_a_bad_argument() -> None:
    check_childspecs([], "any_significant")

    with pytest.raises(InvalidSpec) as refused:
        check_childspecs([], "sometimes")

    assert (refused.value.tag, refused.value.value) == ("badarg", "sometimes")


# --- flags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "tag", "value"),
    [
        ([], "invalid_type", []),
        ({"intensty": 1}, "unknown_key", "intensty"),
        ({"strategy": "x", "intensity": -1}, "invalid_strategy", "x"),
        ({"strategy": "one_for_all", "intensity": -1, "period": 0}, "invalid_intensity", -1),
        ({"period": 0, "auto_shutdown": "x"}, "invalid_period", 0),
        ({"period": "infinity"}, "invalid_period", "infinity"),
        ({"auto_shutdown": "x"}, "invalid_auto_shutdown", "x"),
    ],
)
async def test_wrong_flags_fail_the_start_before_the_children_are_looked_at(
    system, given: object, tag: str, value: object
) -> None:
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Supervisor, "root", ["nonsense"], given)

    fault = failed.value.cause.cause
    assert (fault.tag, fault.value.tag, fault.value.value) == ("supervisor_data", tag, value)
    assert system.actors == ()


async def test_flags_that_are_left_out_have_otps_defaults(system) -> None:
    root = await system.spawn(Supervisor, "root", [], {"intensity": 7})

    view = await overview(root)

    assert (view.strategy, view.max_restarts, view.period_s) == ("one_for_one", 7, 5)


def test_flags_are_read_as_what_they_spell() -> None:
    given = {"strategy": "rest_for_one", "intensity": 3, "period": 9}

    assert read_flags(given, Supervisor.strategies) == Flags(
        strategy=Strategy.REST_FOR_ONE, intensity=Intensity(max_restarts=3, period_s=9)
    )


# --- in a supervisor ------------------------------------------------------------------------------


async def test_a_wrong_specification_fails_the_start_before_any_child_starts(
    system, abc, journal
) -> None:
    a, _, _ = abc

    with pytest.raises(StartFailed) as failed:
        await system.spawn(Supervisor, "root", [a.child(), {"id": "b"}])

    assert str(failed.value.__cause__) == "start_spec: missing_start"
    assert journal.take() == []


async def test_mappings_are_started_like_specifications(system, abc) -> None:
    a, b, _ = abc
    root = await system.spawn(Supervisor, "root", [{"id": "a", "start": a.start}])

    ref = await start_child(root, {"id": "b", "start": b.start, "type": "supervisor"})

    assert a.life.is_alive()
    assert ref is b.life
    assert (await get_childspec(root, "b")).shutdown == math.inf


async def test_what_is_added_must_be_right_even_if_its_id_is_in_use(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())

    with pytest.raises(InvalidSpec) as refused:
        await start_child(root, {"id": "a", "start": a.start, "restart": "always"})

    assert refused.value.tag == "invalid_restart_type"
    assert a.life.is_alive()


async def test_a_supervisor_may_say_that_there_is_nothing_to_run_before_anything_is_checked(
    system,
) -> None:
    class Idle(Supervisor):
        async def on_start(self) -> None:
            raise Ignore

    with pytest.raises(Ignore):
        await system.spawn(Idle, "root", ["nonsense"])
    assert system.actors == ()
