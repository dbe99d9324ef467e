"""More consumers than there are file descriptors for are refused before they are started."""

import pytest

from taskqueue.actors.descriptors import OTHERS, PER_CONSUMER, check_descriptors
from taskqueue.errors import TooManyConsumers
from taskqueue.http.server.limits import LIMITS, connections_within


@pytest.mark.parametrize("descriptors", [256, 1024, 4096, 1 << 20])
def test_as_many_as_leave_all_connections_theirs_are_allowed_and_not_one_more(
    descriptors: int,
) -> None:
    free = descriptors - connections_within(LIMITS, descriptors) - OTHERS
    most = free // PER_CONSUMER

    check_descriptors(most, descriptors)
    with pytest.raises(TooManyConsumers, match=rf"{free} of {descriptors} are available"):
        check_descriptors(most + 1, descriptors)
