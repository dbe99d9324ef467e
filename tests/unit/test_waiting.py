"""Why a task is not running: the sentence for each situation."""

import pytest
from msgspec.structs import replace

from taskqueue.rules.health import QueueState
from taskqueue.rules.limits import GateFacts, LimitUse, LimitValues
from taskqueue.rules.tasks import Status, Task
from taskqueue.rules.waiting import MOST_AHEAD, Line, waiting_for
from tests.unit.test_policy import a_task

NOW = 1_800_000_000.0
SERVED = QueueState(name="default", paused_at=None, consumers=2)

AGEING = replace(SERVED, ageing_s=60.0)

SMTP = LimitUse("smtp", "example.org")


def line(
    ahead: int = 0,
    queue: QueueState | None = SERVED,
    gate: GateFacts | None = None,
    **facts: bool,
) -> Line:
    return Line(queue=queue, ahead=ahead, gate=gate, **facts)


def queue(**facts: int) -> QueueState:
    return replace(SERVED, **facts)


def full(*running: str, most: int | None = 2, count: int = 2, ahead: int = 0) -> GateFacts:
    return GateFacts(
        use=SMTP,
        values=LimitValues(running=most),
        running=running or ("a", "b"),
        count=count,
        opens_at=None,
        ahead=ahead,
    )


def spent(opens_at: float | None, *, running: int | None = None, count: int = 0) -> GateFacts:
    return GateFacts(
        use=LimitUse("openai"),
        values=LimitValues(running=running, starts=100, per_s=60, burst=20),
        running=("a", "b")[:count],
        count=count,
        opens_at=opens_at,
        ahead=2,
    )


def task(status: Status = Status.QUEUED, *, run_at: float = NOW, ended: bool = False) -> Task:
    made = a_task()
    return replace(made, status=status, run_at=run_at, processed_at=NOW if ended else None)


@pytest.mark.parametrize(
    ("waiting", "situation", "sentence"),
    [
        (task(Status.COMPLETED, ended=True), line(), None),
        (task(Status.DEAD, ended=True), line(), None),
        (task(Status.RUNNING), line(), None),
        (task(Status.SCHEDULED, run_at=NOW + 14.2), line(), "due in 14 s"),
        (
            replace(
                task(Status.SCHEDULED, run_at=NOW + 14),
                attempt=0,
                started_at=None,
                expires_at=NOW + 65,
            ),
            line(),
            "due in 14 s; expires in 1 min 5 s",
        ),
        (
            replace(task(), attempt=0, started_at=None, expires_at=NOW),
            line(),
            "expired; it is about to be cancelled",
        ),
        (
            replace(task(Status.RETRYING, run_at=NOW + 14), attempt=2, expires_at=NOW),
            line(),
            "next attempt is due in 14 s",
        ),
        (task(Status.SCHEDULED, run_at=NOW + 0.001), line(), "due in 1 s"),
        (task(Status.SCHEDULED, run_at=NOW + 90_061), line(), "due in 1 d 1 h"),
        (task(Status.RETRYING, run_at=NOW + 65), line(), "next attempt is due in 1 min 5 s"),
        (
            task(Status.SCHEDULED, run_at=NOW + 7200),
            line(queue=replace(SERVED, paused_at=NOW)),
            "due in 2 h",
        ),
        (task(), line(queue=None), "no consumer serves queue 'default'"),
        (
            task(),
            line(queue=replace(SERVED, is_draining=True, consumers=0)),
            "this node drains: it claims nothing until it is resumed",
        ),
        (
            task(),
            line(queue=replace(SERVED, consumers=0)),
            "no consumer serves queue 'default' now",
        ),
        (
            task(),
            line(queue=replace(SERVED, paused_at=NOW - 60)),
            "queue 'default' is paused since 2027-01-15 07:59:00 UTC",
        ),
        (task(), line(), "next in line; waits for a free slot of 2 consumers"),
        (
            task(),
            line(queue=replace(SERVED, consumers=1)),
            "next in line; waits for a free slot of 1 consumer",
        ),
        (task(Status.RETRYING), line(2), "waits for a free slot; 3rd in line"),
        (task(), line(11, takes_turns=True), "waits for a free slot; about 12th in line"),
        (task(), line(11, AGEING), "waits for a free slot; about 12th in line"),
        (
            task(),
            line(MOST_AHEAD),
            "waits for a free slot; 1,000 tasks or more are ahead of it in its queue",
        ),
        (
            task(),
            line(gate=full()),
            "waits for a slot of `smtp:example.org` (2 of 2 running: a, b); next in line",
        ),
        (
            task(Status.RETRYING),
            line(gate=full("a", "b", "c", most=9, count=9, ahead=1)),
            "waits for a slot of `smtp:example.org` (9 of 9 running: a, b, c, …); 2nd in line",
        ),
        (  # the limit was lowered
            task(),
            line(gate=full(most=1, ahead=MOST_AHEAD)),
            (
                "waits for a slot of `smtp:example.org` (2 of 1 running: a, b); "
                "1,000 tasks or more are ahead of it"
            ),
        ),
        (
            task(),
            line(gate=spent(NOW + 14)),
            (
                "waits for its rate: `openai` allows the next start in 14 s (100 per 60 s); "
                "3rd in line"
            ),
        ),
        (  # a slot first: when it is free is not known
            task(),
            line(gate=spent(NOW + 14, running=2, count=2)),
            "waits for a slot of `openai` (2 of 2 running: a, b); 3rd in line",
        ),
        (
            task(),
            line(gate=spent(NOW + 14, running=2, count=1)),
            (
                "waits for its rate: `openai` allows the next start in 14 s (100 per 60 s); "
                "3rd in line"
            ),
        ),
        (  # open, but another of its key comes first
            task(),
            line(gate=full(count=1, ahead=1)),
            "waits for `smtp:example.org`; 2nd in line",
        ),
        (task(run_at=NOW + 14), line(gate=full()), "due in 14 s"),
        (
            task(),
            line(gate=full(), queue=replace(SERVED, paused_at=NOW - 60)),
            "queue 'default' is paused since 2027-01-15 07:59:00 UTC",
        ),
        (
            task(),
            line(gate=full(), queue=replace(SERVED, consumers=0)),
            "no consumer serves queue 'default' now",
        ),
        (task(), line(gate=full(), queue=None), "no consumer serves queue 'default'"),
        (task(Status.RUNNING), line(gate=full()), None),
        # What is claimed ahead goes first, and is counted a moment before or after the others.
        (task(), line(queue=queue(buffered=1)), "waits for a free slot; about 2nd in line"),
        (task(), line(2, queue(buffered=3)), "waits for a free slot; about 6th in line"),
        (
            task(),
            line(MOST_AHEAD - 3, queue(buffered=3)),
            "waits for a free slot; 1,000 tasks or more are ahead of it in its queue",
        ),
        (task(), line(is_claimed=True), "claimed; waits for a free slot"),
        (task(), line(queue=queue(buffered=3), is_claimed=True), "claimed; waits for a free slot"),
        (task(), line(is_claimed=True, is_restarting=True), "claimed; waits for a free slot"),
        (task(Status.RUNNING), line(is_claimed=True), None),
        # Another may go first.
        (task(), line(3, queue(ageing_s=60)), "waits for a free slot; about 4th in line"),
        (task(), line(0, queue(ageing_s=60)), "waits for a free slot; among the next in line"),
        (task(), line(3, queue(is_limited=True)), "waits for a free slot; about 4th in line"),
        (task(), line(0, takes_turns=True), "waits for a free slot; among the next in line"),
        (
            task(),
            line(gate=replace(full(ahead=1), is_shared=True)),
            "waits for a slot of `smtp:example.org` (2 of 2 running: a, b); about 2nd in line",
        ),
        (
            task(),
            line(gate=replace(full(), is_shared=True)),
            "waits for a slot of `smtp:example.org` (2 of 2 running: a, b); among the next in line",
        ),
        (
            task(),
            line(gate=spent(NOW + 14), takes_turns=True),
            (
                "waits for its rate: `openai` allows the next start in 14 s (100 per 60 s); "
                "about 3rd in line"
            ),
        ),
        # The queue actor does not answer.
        (task(), line(queue=None, is_restarting=True), "the queue is restarting"),
        (task(run_at=NOW + 14), line(queue=None, is_restarting=True), "due in 14 s"),
    ],
)
def test_each_situation_has_a_sentence(
    waiting: Task, situation: Line, sentence: str | None
) -> None:
    assert waiting_for(waiting, situation, now=NOW) == sentence
