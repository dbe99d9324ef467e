"""The machine's own clock."""

import time
from unittest import mock

from taskqueue.clock import SystemClock


def test_a_handler_that_replaces_the_functions_of_time_does_not_change_the_clock() -> None:
    clock = SystemClock()
    before = (clock.now(), clock.monotonic())

    with mock.patch("time.time", return_value=0.0), mock.patch("time.monotonic", return_value=0.0):
        meanwhile = (clock.now(), clock.monotonic())

    assert before <= meanwhile
    assert meanwhile[0] <= time.time()
    assert before[1] <= meanwhile[1] <= time.monotonic()
