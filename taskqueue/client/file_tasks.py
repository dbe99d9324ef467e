"""The tasks that a client makes for the file of a service."""

from taskqueue.client.verbs import NewTaskBody
from taskqueue.errors import Fault, InvalidTask
from taskqueue.ids import new_id
from taskqueue.rules import arguments
from taskqueue.rules.key_choices import NewData, made_key
from taskqueue.rules.names import NAME_RULE, is_name
from taskqueue.rules.options import Defaults, Options
from taskqueue.rules.tasks import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, NewTask, Status
from taskqueue.traces import current_traceparent


def new_task(body: NewTaskBody, now: float) -> NewTask:
    """Return the task of a body, as the service would make it for an action without defaults.

    Raises:
        InvalidTask, TaskTooLarge: it does not fit.
    """
    if not is_name(body.action):
        raise InvalidTask((Fault("action", NAME_RULE),))
    payload = arguments.payload(body.action, bytes(body.data))
    options = Options(
        queue=body.queue,
        priority=body.priority,
        max_attempts=body.max_attempts,
        # As the service reads them from JSON: the fingerprint is the same on both ways.
        delay_s=None if body.delay_s is None else float(body.delay_s),
        run_at=None if body.run_at is None else float(body.run_at),
        unique_key=body.unique_key,
        unique_by=body.unique_by,
        unique_scope=body.unique_scope,
        unique_until=body.unique_until,
        on_repeat=body.on_repeat,
        latest_s=body.latest_s,
        expires_s=body.expires_s,
        expires_at=body.expires_at,
        group=body.group,
    )
    if faults := tuple(options.faults()):
        raise InvalidTask(faults)
    queue = body.queue or DEFAULT_QUEUE
    new = NewData(action=body.action, queue=queue, data=bytes(body.data), payload=payload)
    key = made_key(options, Defaults(), new, idempotency_key=body.idempotency_key)
    return NewTask(
        id=new_id(),
        action=body.action,
        payload=payload,
        queue=queue,
        priority=body.priority or 0,
        max_attempts=body.max_attempts or DEFAULT_MAX_ATTEMPTS,
        run_at=options.run_at_from(now),
        expires_at=options.expires_at_from(now, None),
        unique_key=key.key,
        fingerprint=key.fingerprint,
        key_rule=key.rule,
        traceparent=current_traceparent(),
        limits=body.limits,
        flow=body.flow,
        weight=1.0 if body.weight is None else body.weight,
        group=options.group,
    )


def first_status(task: NewTask, now: float) -> Status:
    """Return the status that a new task has first."""
    return Status.QUEUED if task.run_at is None or task.run_at <= now else Status.SCHEDULED
