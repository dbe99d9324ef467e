"""The limits of an action, read when it is registered: what a task of it counts towards.

Limit(running=2, key="smtp:{domain}")  +  mail(domain: str)   ─▶  LimitRule, or every fault
LimitRule  +  {"domain": "example.org"}                       ─▶  LimitUse("smtp", "example.org")
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from taskqueue.api.fields import defaults_of, text_of, value_of
from taskqueue.api.limits import AnyLimits, Limit, as_built_in
from taskqueue.api.parameters import AnyFunction
from taskqueue.errors import ConfigError, Fault, InvalidTask
from taskqueue.rules import limits
from taskqueue.rules.limit_checks import COST_RULE, LIMIT_NAME_RULE, is_cost, is_limit_name
from taskqueue.rules.limits import LimitUse, LimitValues
from taskqueue.rules.names import MAX_KEY, is_key


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """A limit and how its key and its cost come of the data of a task.

    A part of `key` is a literal text, or the name of a field behind it; `cost` is a number, or the
    name of a field. `defaults` are those of the handler's parameters.
    """

    name: str
    values: LimitValues
    key: tuple[tuple[str, str | None], ...]
    cost: float | str
    defaults: Mapping[str, object]

    def use(self, data: Mapping[str, Any]) -> LimitUse:
        """Return what a task with this data counts for.

        Raises:
            InvalidTask: with every field that gives no key or no cost.
        """
        faults: list[Fault] = []
        key = self._key(data, faults)
        cost = self._cost(data, faults)
        if faults:
            raise InvalidTask(tuple(faults))
        return LimitUse(self.name, key, cost)

    def _key(self, data: Mapping[str, Any], faults: list[Fault]) -> str | None:
        if not self.key:
            return None
        texts = [
            literal + ("" if field is None else self._text(field, data, faults))
            for literal, field in self.key
        ]
        key = "".join(texts)
        if not faults and not is_key(key):
            rule = f"must give the limit {self.name!r} a key of 1 to {MAX_KEY} printable characters"
            faults += [Fault(f"data.{field}", rule) for _, field in self.key if field is not None]
        return key

    def _text(self, field: str, data: Mapping[str, Any], faults: list[Fault]) -> str:
        text = text_of(value_of(field, data, self.defaults))
        if text is None:
            rule = f"must be text or a number: it is in the key of the limit {self.name!r}"
            faults.append(Fault(f"data.{field}", rule))
        return text or ""

    def _cost(self, data: Mapping[str, Any], faults: list[Fault]) -> float:
        if not isinstance(self.cost, str):
            return self.cost
        value = value_of(self.cost, data, self.defaults)
        if not is_cost(value):
            rule = f"{COST_RULE}: it is the cost for the limit {self.name!r}"
            faults.append(Fault(f"data.{self.cost}", rule))
            return 1.0
        return float(value)


def limits_text(rules: Sequence[LimitRule], data: Mapping[str, Any]) -> str | None:
    """Return what a task with this data keeps of its limits; of those of one name the first.

    Raises:
        InvalidTask: with every field that gives no key or no cost.
    """
    uses: dict[str, LimitUse] = {}
    faults: list[Fault] = []
    for rule in rules:
        try:
            uses.setdefault(rule.name, rule.use(data))
        except InvalidTask as error:
            faults += error.faults
    if faults:
        raise InvalidTask(tuple(faults))
    return limits.encoded(tuple(uses.values()))


def rules_of_action(given: AnyLimits, action: str, function: AnyFunction) -> tuple[LimitRule, ...]:
    """Return the limits of an action.

    Raises:
        ConfigError: with every fault of the limits, and every field that no parameter is.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known = None if takes_any else [p.name for p in parameters if p.name != "ctx"]
    return _rules(given, action, known, defaults_of(function))


def rules_of_queue(given: AnyLimits, queue: str) -> tuple[LimitRule, ...]:
    """Return the limits of a queue. They have no fields: its tasks may be of any action.

    Raises:
        ConfigError: with every fault of the limits.
    """
    return _rules(given, f"queue:{queue}", [], {})


def _rules(
    given: AnyLimits, usual_name: str, known: Sequence[str] | None, defaults: Mapping[str, object]
) -> tuple[LimitRule, ...]:
    several = given if isinstance(given, tuple | list) else (given,)
    rules: list[LimitRule] = []
    faults: list[Fault] = []
    for number, limit in enumerate(several):
        where = "limit" if len(several) == 1 else f"limit[{number}]"
        if not issubclass(type(limit), Limit):
            faults.append(Fault(where, "must be Limit(…), or several in a tuple"))
            continue
        rule, wrong = _rule(as_built_in(limit), usual_name, known, defaults)
        faults += (Fault(f"{where}.{fault.field}", fault.message) for fault in wrong)
        if any(rule.name == other.name for other in rules):
            faults.append(Fault(f"{where}.name", f"{rule.name!r} is used twice; give it another"))
        rules.append(rule)
    if faults:
        raise ConfigError(tuple(faults))
    return tuple(rules)


def _rule(
    limit: Limit, usual_name: str, known: Sequence[str] | None, defaults: Mapping[str, object]
) -> tuple[LimitRule, Sequence[Fault]]:
    faults = [*limit.faults()]
    key = _parts("key", limit.key, known, faults)
    cost = _cost(limit.cost, known, faults)
    name, key = (limit.name, key) if limit.name is not None else _named(key, usual_name)
    if limit.name is None and not is_limit_name(name):
        faults.append(Fault("name", f"{LIMIT_NAME_RULE}; {name!r} is not, so give it one"))
    values = LimitValues() if faults else limit.values
    return LimitRule(name=name, values=values, key=key, cost=cost, defaults=defaults), faults


def _named(
    key: tuple[tuple[str, str | None], ...], usual_name: str
) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    """Return the name that a key begins with, and the rest of the key."""
    if not key:
        return usual_name, key
    (literal, field), *others = key
    name = literal.removesuffix(":")
    if not name or (field is None and others):
        return usual_name, key
    return name, () if field is None else (("", field), *others)


def _cost(given: float | str, known: Sequence[str] | None, faults: list[Fault]) -> float | str:
    if not isinstance(given, str):
        if not is_cost(given):
            faults.append(Fault("cost", COST_RULE))
        return given
    match _parts("cost", given, known, faults):
        case (("", str(field)),):
            return field
        case _:
            faults.append(Fault("cost", 'must be a number, or one field as "{tokens}"'))
            return 1.0


def _parts(
    where: str, template: object, known: Sequence[str] | None, faults: list[Fault]
) -> tuple[tuple[str, str | None], ...]:
    """Return the parts of a template; its faults go to `faults`."""
    if template is None:
        return ()
    if not isinstance(template, str) or not template:
        faults.append(Fault(where, "must be text with the fields of the data in braces"))
        return ()
    try:
        parsed = [*Formatter().parse(template)]
    except ValueError as error:
        faults.append(Fault(where, f"cannot be read: {error}"))
        return ()
    faults += _part_faults(where, parsed, known)
    return tuple((literal, field) for literal, field, *_ in parsed)


def _part_faults(
    where: str, parsed: Iterable[tuple[str, str | None, str | None, str | None]], known: Any
) -> Iterator[Fault]:
    for _, field, form, conversion in parsed:
        if field is None:
            continue
        if not field.isidentifier() or form or conversion:
            yield Fault(where, f"{{{field}}} must be the name of a field, as {{domain}}")
        elif known is not None and field not in known:
            fields = ", ".join(known) or "no data"
            yield Fault(where, f"{{{field}}} is no field of the data; the handler takes {fields}")
