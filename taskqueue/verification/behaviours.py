"""What clients know of the actions under test."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What clients know of an action."""

    weight: int
    """How often it is posted, in proportion to the others."""
    ends: frozenset[str]
    """How its tasks may end."""
    is_limited: bool = False
    """Whether its lists are of this action alone, so that more is posted than may run."""
    has_lanes: bool = False
    """Whether its data name one of the lanes."""
    has_effect: bool = True
    """Whether its attempts write a row with their result."""
    cancels: float = 0.1
    """The share of its tasks that are asked to end."""


COMPLETED = frozenset({"completed"})
DEAD = frozenset({"dead"})
CANCELLED = frozenset({"cancelled"})

BEHAVIOURS: Mapping[str, Behaviour] = {
    "quick": Behaviour(400, COMPLETED),
    "thread": Behaviour(100, COMPLETED),
    "slow": Behaviour(150, COMPLETED),
    "process": Behaviour(60, COMPLETED),
    "die_once": Behaviour(4, COMPLETED),
    "raise_once": Behaviour(40, COMPLETED),
    "decline_once": Behaviour(40, COMPLETED),
    "retry_once": Behaviour(40, COMPLETED),
    "snooze_once": Behaviour(40, COMPLETED),
    "time_out_once": Behaviour(10, COMPLETED),
    "crash_once": Behaviour(2, COMPLETED),
    "block": Behaviour(5, COMPLETED),
    "parent": Behaviour(60, COMPLETED),
    "fragile": Behaviour(40, COMPLETED | DEAD),
    "hapless": Behaviour(20, DEAD),
    "reject": Behaviour(20, DEAD),
    "call_off": Behaviour(20, CANCELLED),
    "narrow": Behaviour(120, COMPLETED, is_limited=True, has_lanes=True),
    "narrow_process": Behaviour(20, COMPLETED, is_limited=True, has_lanes=True),
    "narrow_thread": Behaviour(30, COMPLETED, is_limited=True, has_lanes=True, cancels=0.5),
    "narrow_thrice": Behaviour(20, COMPLETED, is_limited=True, has_lanes=True),
    "single": Behaviour(40, COMPLETED, is_limited=True),
    "brisk": Behaviour(120, COMPLETED, is_limited=True, has_effect=False),
    "rated": Behaviour(60, COMPLETED, is_limited=True),
    "single_and_rated": Behaviour(10, COMPLETED, is_limited=True),
}

WITHOUT_EFFECT = frozenset(name for name, each in BEHAVIOURS.items() if not each.has_effect)
