"""The fair share of an action's tasks: whose turn each of them takes, read when it is registered.

fair_by="tenant", weight=2  +  report(tenant: str)   ─▶  FairRule, or every fault
FairRule  +  {"tenant": "acme"}                      ─▶  Share("tenant=acme", 2.0)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from taskqueue.api.fields import defaults_of, text_of, value_of
from taskqueue.api.parameters import AnyFunction
from taskqueue.api.signature import Signature
from taskqueue.errors import ConfigError, Fault, InvalidTask
from taskqueue.foreign import conversion as plain
from taskqueue.rules.names import MAX_KEY, is_key
from taskqueue.rules.options import converted_by
from taskqueue.rules.turns import WEIGHT_RULE, is_weight

_FLOW_RULE = f"must be a number, or text of 1 to {MAX_KEY} printable characters: tasks share by it"


class Share(NamedTuple):
    """The flow in which a task takes its turns, and how many those are for one of another flow."""

    flow: str | None
    weight: float = 1.0


class Sharing(NamedTuple):
    """What an action says of its fair share."""

    fair_by: str | None = None  # the name of a field
    weight: float | str | None = None  # a number, or the name of a field


NO_SHARING = Sharing()

NO_TURNS = Share(None)
"""Of a task in a queue where no action is fair: the tasks start as they come."""

OF_OTHERS = Share("")
"""Of a task without `fair_by` where others have it: all such tasks are one more flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairRule:
    """The field by which the tasks of an action share, and their weight: a number, or a field.

    `defaults` are those of the handler's parameters.
    """

    fair_by: str
    weight: float | str
    defaults: Mapping[str, object]

    def share(self, data: Mapping[str, Any]) -> Share:
        """Return the share of a task with this data.

        The flow is named after field and value. So the tasks of several actions that share by the
        same field take turns as one, and a customer 7 is not taken for a region 7.

        Raises:
            InvalidTask: with every field that gives no flow or no weight.
        """
        faults: list[Fault] = []
        flow = text_of(value_of(self.fair_by, data, self.defaults))
        if not is_key(flow):
            faults.append(Fault(f"data.{self.fair_by}", _FLOW_RULE))
        weight = self.weight
        if isinstance(weight, str):
            weight = value_of(weight, data, self.defaults)
            if not is_weight(weight):
                faults.append(Fault(f"data.{self.weight}", f"{WEIGHT_RULE}: it is a weight"))
        if faults:
            raise InvalidTask(tuple(faults))
        return Share(f"{self.fair_by}={flow}", float(weight))


def fair_rule_of(sharing: Sharing, function: AnyFunction, signature: Signature) -> FairRule | None:
    """Return how the tasks of an action share its queue; None if it does not say so.

    Raises:
        ConfigError: with every fault of the field and the weight.
    """
    fair_by, weight = sharing
    if fair_by is not None:
        fair_by = converted_by(plain.text, fair_by)
    if weight is not None:
        weight = converted_by(plain.text if isinstance(weight, str) else plain.number, weight)
    if faults := tuple(_faults(fair_by, weight, signature)):
        raise ConfigError(faults)
    if fair_by is None:
        return None
    weight = 1.0 if weight is None else weight
    return FairRule(fair_by=fair_by, weight=weight, defaults=defaults_of(function))


def _faults(fair_by: object, weight: object, signature: Signature) -> Iterator[Fault]:
    if fair_by is not None and not isinstance(fair_by, str):
        yield Fault("fair_by", "must be the name of a field of the data")
    elif fair_by is not None and not signature.takes(fair_by):
        yield Fault("fair_by", f"the handler takes no {fair_by!r}")
    if weight is None:
        return
    if fair_by is None:
        yield Fault("weight", "needs fair_by beside it")
    if isinstance(weight, str):
        if not signature.takes(weight):
            yield Fault("weight", f"the handler takes no {weight!r}")
    elif not is_weight(weight):
        yield Fault("weight", f"{WEIGHT_RULE}, or the name of a field of the data")
