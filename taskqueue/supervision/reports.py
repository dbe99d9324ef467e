"""Supervisor reports: one structured event for each start, exit, restart and stop of a child.

The fields are OTP's: `supervisor`, `child_id`, `pid`, `context`, `reason`, `restart`, `intensity`,
`restarts_in_period`, `strategy`; and `incarnation`, which OTP shows as a new pid. `docs/logs.md`
lists the events.
"""

from taskqueue.events import events
from taskqueue.runtime import ExitReason
from taskqueue.supervision.child import Child
from taskqueue.supervision.specs import ChildSpec, Flags


class Reporter:
    """Writes the reports of one supervisor.

    `pid` and `incarnation` belong to the reported incarnation; for a failed start, to the one
    before it (0 if there was none). `in_period` is the number of restarts within the period.
    """

    def __init__(self, supervisor: str, flags: Flags) -> None:
        self._supervisor = supervisor
        self._flags = flags

    def started(self, child: Child) -> None:
        """OTP's progress report: a child runs."""
        events.info("child_started", **self._child(child), incarnation=child.incarnation)

    def ignored(self, child: Child) -> None:
        """A start was ignored."""
        events.info("child_ignored", **self._child(child))

    def exited(self, child: Child, reason: ExitReason) -> None:
        """An expected exit: normal, of a child that is not permanent."""
        events.info("child_exited", **self._offender(child, reason))

    def terminated(self, child: Child, reason: ExitReason, in_period: int) -> None:
        """OTP's supervisor report `child_terminated`."""
        events.error(
            "child_terminated",
            context="child_terminated",
            **self._offender(child, reason),
            **self._restarts(in_period),
        )

    def restarted(self, child: Child, reason: ExitReason | None, in_period: int) -> None:
        """A child was restarted; `reason` is the last exit reason, None if it never ran."""
        events.warning(
            "child_restarted",
            **self._offender(child, reason),
            **self._restarts(in_period),
        )

    def delayed(self, child: Child, seconds: float, in_period: int) -> None:
        """A restart is delayed by the child's backoff."""
        events.warning(
            "child_restart_delayed",
            **self._offender(child, child.last_exit),
            after_s=round(seconds, 3),
            **self._restarts(in_period),
        )

    def waiting(self, child: Child) -> None:
        """A start waits for siblings that do not run."""
        events.warning(
            "child_waiting",
            **self._offender(child, child.last_exit),
            waits_for=child.waits_for,
        )

    def start_failed(self, child: Child, reason: ExitReason, in_period: int) -> None:
        """OTP's supervisor report `start_error`."""
        events.error(
            "child_start_failed",
            context="start_error",
            **self._offender(child, reason),
            **self._restarts(in_period),
        )

    def stopped(self, child: Child, reason: ExitReason) -> None:
        """A child was stopped."""
        events.info("child_stopped", **self._offender(child, reason))

    def stop_failed(self, child: Child, reason: ExitReason, in_period: int) -> None:
        """OTP's supervisor report `shutdown_error`."""
        events.error(
            "child_stop_failed",
            context="shutdown_error",
            **self._offender(child, reason),
            **self._restarts(in_period),
        )

    def stops_failed(self, spec: ChildSpec, reason: str, nb_children: int, in_period: int) -> None:
        """OTP's supervisor report `shutdown_error` for instances that were stopped together."""
        events.error(
            "child_stop_failed",
            context="shutdown_error",
            supervisor=self._supervisor,
            child_id=spec.id,
            nb_children=nb_children,
            reason=reason,
            restart=str(spec.restart),
            **self._restarts(in_period),
        )

    def escalated(self, child: Child, in_period: int) -> None:
        """OTP's supervisor report `shutdown`: the intensity is exceeded, it gives up."""
        events.error(
            "supervisor_escalated",
            context="shutdown",
            **self._offender(child, child.last_exit)
            | {"reason": "reached_max_restart_intensity", "child_reason": _text(child.last_exit)},
            **self._restarts(in_period),
        )

    def _child(self, child: Child) -> dict[str, object]:
        return {"supervisor": self._supervisor, "child_id": child.spec.id, "pid": child.pid}

    def _offender(self, child: Child, reason: ExitReason | None) -> dict[str, object]:
        return {
            **self._child(child),
            "reason": _text(reason),
            "restart": str(child.spec.restart),
            "incarnation": child.incarnation,
        }

    def _restarts(self, in_period: int) -> dict[str, object]:
        return {
            "strategy": str(self._flags.strategy),
            "restarts_in_period": in_period,
            "intensity": self._flags.intensity.max_restarts,
            "period_s": self._flags.intensity.period_s,
        }


def _text(reason: ExitReason | None) -> str | None:
    return None if reason is None else str(reason)
