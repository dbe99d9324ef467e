"""Making a task: what was asked for, checked, with what its action says about the rest."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from taskqueue.api.fair_shares import Share
from taskqueue.api.handler import Handler, key_faults
from taskqueue.api.limit_rules import LimitRule, limits_text
from taskqueue.errors import Fault, InvalidTask
from taskqueue.ids import new_id
from taskqueue.rules import arguments
from taskqueue.rules.key_choices import NewData, made_key
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import NewTask
from taskqueue.traces import current_traceparent


def new_task(
    handler: Handler,
    action: str,
    data: bytes,
    options: Options,
    *,
    faults: Sequence[Fault],
    limits_of: Callable[[Handler, str], Sequence[LimitRule]],
    share_of: Callable[[Handler, str, Mapping[str, Any]], Share],
    idempotency_key: str | None,
    now: float,
) -> NewTask:
    """Return the task that does `action` with `data`; `faults` are known already.

    `limits_of` returns what a task of a handler counts towards on a queue, `share_of` in which flow
    it takes turns there.

    Raises:
        InvalidTask: with every fault of the data and the options.
        TaskTooLarge: the payload has more than 1 MiB.
    """
    arguments_given = _require_sound(handler, data, options, faults)
    payload = arguments.payload(action, data)
    defaults = handler.defaults
    queue = defaults.queue if options.queue is None else options.queue
    new = NewData(action=action, queue=queue, data=data, payload=payload)
    rules, share = limits_of(handler, queue), partial(share_of, handler, queue)
    limits, (flow, weight) = _counted_and_shared(rules, share, arguments_given)
    key = made_key(options, defaults, new, idempotency_key=idempotency_key)
    return NewTask(
        id=new_id(),
        action=action,
        payload=payload,
        queue=queue,
        priority=defaults.priority if options.priority is None else options.priority,
        max_attempts=(
            defaults.max_attempts if options.max_attempts is None else options.max_attempts
        ),
        run_at=options.run_at_from(now),
        expires_at=options.expires_at_from(now, defaults.expires_s),
        unique_key=key.key,
        fingerprint=key.fingerprint,
        key_rule=key.rule,
        traceparent=current_traceparent(),
        group=options.group,
        limits=limits,
        flow=flow,
        weight=weight,
    )


def _counted_and_shared(
    rules: Sequence[LimitRule],
    share: Callable[[Mapping[str, Any]], Share],
    data: Mapping[str, Any],
) -> tuple[str | None, Share]:
    """Return what a task with this data counts towards, and its share of the queue.

    Raises:
        InvalidTask: with every fault of both.
    """
    try:
        limits = limits_text(rules, data) if rules else None
    except InvalidTask as error:
        raise InvalidTask((*error.faults, *_faults_of(share, data))) from error
    return limits, share(data)


def _faults_of(
    share: Callable[[Mapping[str, Any]], Share], data: Mapping[str, Any]
) -> Sequence[Fault]:
    try:
        share(data)
    except InvalidTask as error:
        return error.faults
    return ()


def _require_sound(
    handler: Handler, data: bytes, options: Options, faults: Sequence[Fault]
) -> Mapping[str, Any]:
    found = [*faults, *key_faults(handler.signature, options.unique_by)]
    more = 0
    bound: Mapping[str, Any] = {}
    try:
        bound = handler.signature.bind(data)
    except InvalidTask as error:
        found.extend(error.faults)
        more = error.more
    if found:
        raise InvalidTask(tuple(found), more)
    return bound
