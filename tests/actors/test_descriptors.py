"""More consumers than there are file descriptors for are refused before they are started."""

import pytest

from taskqueue.actors.descriptors import KEPT_SHARE, PER_CONSUMER, check_descriptors
from taskqueue.errors import TooManyConsumers

LIMIT = 1024
FREE = LIMIT - LIMIT // KEPT_SHARE


def test_as_many_as_leave_a_share_for_others_are_allowed_and_not_one_more() -> None:
    most = FREE // PER_CONSUMER

    check_descriptors(most, running=0, taken=0, limit=LIMIT)
    with pytest.raises(TooManyConsumers, match=r"take 772 more file descriptors and 768 may be"):
        check_descriptors(most + 1, running=0, taken=0, limit=LIMIT)


def test_what_is_open_and_who_runs_already_count() -> None:
    check_descriptors(100, running=90, taken=FREE - 10 * PER_CONSUMER, limit=LIMIT)
    with pytest.raises(TooManyConsumers):
        check_descriptors(100, running=89, taken=FREE - 10 * PER_CONSUMER, limit=LIMIT)


def test_fewer_are_always_allowed() -> None:
    check_descriptors(1, running=100, taken=LIMIT, limit=LIMIT)
