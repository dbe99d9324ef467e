"""Supervisor reports: one structured event for each thing that happens to a child.

The fields are OTP's: `supervisor`, `child_id`, `context`, `reason`, `restart`, `intensity`,
`restarts_in_period`, `strategy`; and `incarnation`, which OTP shows as a new pid. `docs/logs.md`
lists the events.
"""

import structlog

from taskqueue.actors.runtime import ExitReason
from taskqueue.supervision.specs import ChildSpec, Flags

log = structlog.get_logger()


class Reporter:
    """Writes the reports of one supervisor."""

    def __init__(self, supervisor: str, flags: Flags) -> None:
        self._supervisor = supervisor
        self._flags = flags

    def started(self, spec: ChildSpec, incarnation: int) -> None:
        """OTP's progress report: a child runs."""
        log.info(
            "child_started",
            supervisor=self._supervisor,
            child_id=spec.id,
            incarnation=incarnation,
        )

    def ignored(self, spec: ChildSpec) -> None:
        """A start function had nothing to run."""
        log.info("child_ignored", supervisor=self._supervisor, child_id=spec.id)

    def exited(self, spec: ChildSpec, reason: ExitReason, incarnation: int) -> None:
        """An expected end: orderly, of a child that is not permanent."""
        log.info("child_exited", **self._offender(spec, reason, incarnation))

    def terminated(self, spec: ChildSpec, reason: ExitReason, incarnation: int) -> None:
        """OTP's supervisor report `child_terminated`."""
        log.error(
            "child_terminated",
            context="child_terminated",
            **self._offender(spec, reason, incarnation),
        )

    def restarted(
        self, spec: ChildSpec, reason: ExitReason | None, incarnation: int, in_period: int
    ) -> None:
        """A child runs again; `reason` is how its life before ended."""
        log.warning(
            "child_restarted",
            restarts_in_period=in_period,
            intensity=self._flags.intensity.max_restarts,
            period_s=self._flags.intensity.period_s,
            strategy=str(self._flags.strategy),
            **self._offender(spec, reason, incarnation),
        )

    def start_failed(self, spec: ChildSpec, reason: ExitReason, incarnation: int) -> None:
        """OTP's supervisor report `start_error`."""
        log.error(
            "child_start_failed",
            context="start_error",
            **self._offender(spec, reason, incarnation),
        )

    def stopped(self, spec: ChildSpec, reason: ExitReason, incarnation: int) -> None:
        """A child that was told to stop has stopped."""
        log.info("child_stopped", **self._offender(spec, reason, incarnation))

    def stop_failed(self, spec: ChildSpec, reason: ExitReason, incarnation: int) -> None:
        """OTP's supervisor report `shutdown_error`."""
        log.error(
            "child_stop_failed",
            context="shutdown_error",
            **self._offender(spec, reason, incarnation),
        )

    def escalated(self, spec: ChildSpec, reason: ExitReason, in_period: int) -> None:
        """OTP's supervisor report `shutdown`: one restart too many, the supervisor gives up."""
        log.error(
            "supervisor_escalated",
            context="shutdown",
            supervisor=self._supervisor,
            child_id=spec.id,
            reason="reached_max_restart_intensity",
            child_reason=str(reason),
            restart=str(spec.restart),
            restarts_in_period=in_period,
            intensity=self._flags.intensity.max_restarts,
            period_s=self._flags.intensity.period_s,
            strategy=str(self._flags.strategy),
        )

    def _offender(
        self, spec: ChildSpec, reason: ExitReason | None, incarnation: int
    ) -> dict[str, object]:
        return {
            "supervisor": self._supervisor,
            "child_id": spec.id,
            "reason": str(reason),
            "restart": str(spec.restart),
            "incarnation": incarnation,
        }
