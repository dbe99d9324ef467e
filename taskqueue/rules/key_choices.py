"""From the choices about a task and its action to the key that the task gets. Pure."""

from collections.abc import Iterator

from taskqueue.errors import Fault, InvalidTask
from taskqueue.rules.options import LATEST_RULE, NO_CHOICE, Defaults, Options
from taskqueue.rules.uniqueness import (
    CHANGING,
    KeyEnd,
    KeyRule,
    OnRepeat,
    Scope,
    Until,
    key_of,
    stored_key,
)
from taskqueue.structs import Struct


class MadeKey(Struct):
    """The key of a new task, as it is stored; `rule` is None if it is the usual one."""

    key: str | None = None
    fingerprint: str | None = None
    rule: KeyRule | None = None


NO_KEY = MadeKey()


class NewData(Struct):
    """What a new task is about: its data alone, and the payload around it."""

    action: str
    queue: str
    data: bytes
    payload: str


def made_key(
    options: Options, defaults: Defaults, new: NewData, *, idempotency_key: str | None = None
) -> MadeKey:
    """Return the key of a task, which may be none.

    A key that the caller gives comes first, then one made of the data, then `idempotency_key`, to
    which no choice about keys applies.

    Raises:
        InvalidTask: choices of this call do not go together.
    """
    if options.unique_key is None and options.unique_by is None and defaults.unique_by is None:
        if options is NO_CHOICE and idempotency_key is None:
            return NO_KEY
        if faults := tuple(_choices_without_key(options)):
            raise InvalidTask(faults)
        return _idempotent(options, new, idempotency_key)
    rule = _rule(options, defaults)
    if faults := tuple(_contradictions(options, rule)):
        raise InvalidTask(faults)
    names = () if options.unique_key is not None else options.unique_by or defaults.unique_by or ()
    key = options.unique_key or key_of(new.data, names)
    usual_scope = Scope.ACTION if names else Scope.GLOBAL
    scope = options.unique_scope or defaults.unique_scope or usual_scope
    nonce = idempotency_key if rule.on_repeat == OnRepeat.REJECT else None
    is_known_again = rule.on_repeat != OnRepeat.REJECT or nonce is not None
    return MadeKey(
        key=stored_key(key, scope, action=new.action, queue=new.queue),
        fingerprint=options.fingerprint(new.payload, nonce) if is_known_again else None,
        rule=None if rule == KeyRule() else rule,
    )


def _idempotent(options: Options, new: NewData, key: str | None) -> MadeKey:
    if key is None:
        return NO_KEY
    keyed = Options(unique_key=key).over(options)
    return MadeKey(key=key, fingerprint=keyed.fingerprint(new.payload))


def _rule(options: Options, defaults: Defaults) -> KeyRule:
    is_made = options.unique_key is None
    on_repeat = options.on_repeat or defaults.on_repeat or (OnRepeat.KEEP if is_made else None)
    until = options.unique_until if options.unique_until is not None else defaults.unique_until
    return KeyRule(
        until=_usual_until(on_repeat, is_made=is_made) if until is None else until,
        on_repeat=None if on_repeat is None else OnRepeat(on_repeat),
        latest_s=options.latest_s if options.latest_s is not None else defaults.latest_s,
    )


def _usual_until(on_repeat: str | None, *, is_made: bool) -> Until:
    """Return how long a key is held about which that was not said.

    What replaces or postpones a task must not be refused, nor be lost, once that one has started. A
    key that is made of the data says what the work is, so it can be done again after its end.
    """
    if on_repeat in CHANGING:
        return KeyEnd.STARTED
    return KeyEnd.ENDED if is_made else KeyEnd.DELETED


def _choices_without_key(options: Options) -> Iterator[Fault]:
    for name in ("unique_scope", "unique_until", "on_repeat", "latest_s"):
        if getattr(options, name) is not None:
            yield Fault(name, "needs unique_key or unique_by beside it")


def _contradictions(options: Options, rule: KeyRule) -> Iterator[Fault]:
    if options.latest_s is not None and rule.on_repeat not in CHANGING:
        yield Fault("latest_s", LATEST_RULE)
    is_at_once = options.delay_s is None and options.run_at is None
    if options.on_repeat == OnRepeat.POSTPONE and is_at_once:
        yield Fault("on_repeat", "postpone needs delay_s or run_at beside it")
