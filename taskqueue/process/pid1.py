"""Process 1 of a container: reaps orphans and forwards signals.

The kernel gives every orphan to process 1, which has to reap it. A service cannot do that itself
without taking exit statuses from other callers of `wait`, so it runs in a child.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType

_PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def run_under_init(service: Callable[[], int]) -> int:
    """Run `service` and return its exit code; if this is process 1, run it in a child.

    Process 1 ends when the service does, with its code, or 128 and the number of the signal that
    killed it; the kernel then ends whatever else is left. Call it while there is one thread.
    """
    if os.getpid() != 1:
        return service()
    # Blocked until there is a child to forward them to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return service()

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    return _reaped_until_end_of(child)


def _reaped_until_end_of(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
