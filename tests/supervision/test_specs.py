"""Specifications: defaults, and what is refused, in OTP's words."""

import math
from typing import Any

import pytest

from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    InvalidSpec,
    Restart,
    Strategy,
)
from taskqueue.supervision.validation import read_child, read_children


async def start() -> None:
    raise NotImplementedError


def test_the_defaults_are_those_of_otp() -> None:
    spec, flags = ChildSpec(id="a", start=start), Flags()

    assert (spec.restart, spec.type, spec.significant) == ("permanent", "worker", False)
    assert spec.shutdown_limit == 5.0
    assert ChildSpec(id="s", start=start, type=ChildType.SUPERVISOR).shutdown_limit == math.inf
    assert (flags.strategy, flags.auto_shutdown) == ("one_for_one", "never")
    assert (flags.intensity.max_restarts, flags.intensity.period_s) == (1, 5)


def test_a_plain_word_means_its_member() -> None:
    words: dict[str, Any] = {"restart": "transient", "type": "supervisor"}
    of_flags: dict[str, Any] = {"strategy": "rest_for_one", "auto_shutdown": "any_significant"}

    spec, flags = ChildSpec(id="a", start=start, **words), Flags(**of_flags)

    assert (spec.restart, spec.type) == (Restart.TRANSIENT, ChildType.SUPERVISOR)
    assert (flags.strategy, flags.auto_shutdown) == (
        Strategy.REST_FOR_ONE,
        AutoShutdown.ANY_SIGNIFICANT,
    )
    assert isinstance(spec.restart, Restart)
    assert isinstance(flags.strategy, Strategy)


@pytest.mark.parametrize("shutdown", [BRUTAL_KILL, 0, 0.5, 5, math.inf])
def test_a_limit_that_is_given_is_in_force(shutdown: object) -> None:
    spec = ChildSpec(id="a", start=start, shutdown=shutdown, type=ChildType.SUPERVISOR)

    assert spec.shutdown_limit == shutdown


@pytest.mark.parametrize(
    ("wrong", "tag"),
    [
        ({"id": ""}, "missing_id"),
        ({"id": None}, "missing_id"),
        ({"start": None}, "invalid_mfa"),
        ({"start": "module:function"}, "invalid_mfa"),
        ({"restart": "always"}, "invalid_restart_type"),
        ({"restart": None}, "invalid_restart_type"),
        ({"significant": 1}, "invalid_significant"),
        ({"significant": True}, "bad_combination"),
        ({"one_shot": "yes", "restart": Restart.TRANSIENT}, "invalid_one_shot"),
        ({"one_shot": True}, "bad_combination"),
        (
            {"one_shot": True, "restart": Restart.TRANSIENT, "significant": True},
            "bad_combination",
        ),
        ({"type": "leaf"}, "invalid_child_type"),
        ({"shutdown": -1}, "invalid_shutdown"),
        ({"shutdown": math.nan}, "invalid_shutdown"),
        ({"shutdown": "5"}, "invalid_shutdown"),
        ({"shutdown": "brutal"}, "invalid_shutdown"),
        ({"shutdown": True}, "invalid_shutdown"),
        ({"shutdown": []}, "invalid_shutdown"),
    ],
)
def test_a_child_that_no_supervisor_could_obey_is_refused(
    wrong: dict[str, object], tag: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        ChildSpec(**{"id": "a", "start": start} | wrong)

    assert refused.value.tag == tag


def test_the_first_fault_wins() -> None:
    with pytest.raises(InvalidSpec) as refused:
        ChildSpec(id="a", start=start, restart="always", type="leaf", shutdown=-1)

    assert str(refused.value) == "invalid_restart_type: 'always'"


@pytest.mark.parametrize(
    ("kind", "wrong", "tag"),
    [
        (Intensity, {"max_restarts": -1}, "invalid_intensity"),
        (Intensity, {"max_restarts": math.inf}, "invalid_intensity"),
        (Intensity, {"max_restarts": True}, "invalid_intensity"),
        (Intensity, {"period_s": 0}, "invalid_period"),
        (Intensity, {"period_s": 0.5}, "invalid_period"),
        (Intensity, {"period_s": math.inf}, "invalid_period"),
        (Flags, {"strategy": "all_for_one"}, "invalid_strategy"),
        (Flags, {"auto_shutdown": True}, "invalid_auto_shutdown"),
        (Flags, {"intensity": 3}, "invalid_intensity"),
    ],
)
def test_flags_that_no_supervisor_could_obey_are_refused(
    kind: type, wrong: dict[str, object], tag: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        kind(**wrong)

    assert refused.value.tag == tag


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(TypeError):
        ChildSpec(id="a", start=start, restrat=Restart.PERMANENT)


def test_an_id_may_stand_in_a_list_once() -> None:
    twice = ChildSpec(id="a", start=start)

    with pytest.raises(InvalidSpec) as refused:
        read_children((twice, twice), AutoShutdown.NEVER)

    assert (refused.value.tag, refused.value.value) == ("duplicate_child_name", "a")


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
def test_a_significant_child_needs_a_supervisor_that_shuts_itself_down(restart: Restart) -> None:
    spec = ChildSpec(id="a", start=start, restart=restart, significant=True)

    assert read_child(spec, AutoShutdown.ANY_SIGNIFICANT) is spec
    with pytest.raises(InvalidSpec) as refused:
        read_child(spec, AutoShutdown.NEVER)

    assert refused.value.tag == "bad_combination"
