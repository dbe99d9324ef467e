"""What the sources say about the settings, each value read by its kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from taskqueue.errors import ConfigError, Fault
from taskqueue.settings.options import BY_KEY
from taskqueue.settings.origins import Origin, Source


@dataclass(frozen=True)
class Given:
    """A value that some source gives for the setting `key`, under the `name` it has there."""

    key: str
    name: str
    value: object
    source: Source


Found: TypeAlias = Iterable[Given | Fault]


class Reading:
    """What the sources say, later ones over earlier ones."""

    def __init__(self, found: Found) -> None:
        self.values: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self.origins: dict[str, Origin] = {}
        self._unread: set[str] = set()
        for item in found:
            match item:
                case Fault():
                    self.faults.append(item)
                case Given():
                    self._take(item)

    def _take(self, given: Given) -> None:
        try:
            self.values[given.key] = BY_KEY[given.key].kind.read(given.value)
        except ConfigError as unfit:  # of one with several parts
            name, separator, where = given.name.partition(" in ")
            self.faults += [
                Fault(f"{name}{each.field}{separator}{where}", each.message)
                for each in unfit.faults
            ]
            self._unread.add(given.key)
        except ValueError as unfit:
            self.faults.append(Fault(given.name, str(unfit)))
            self._unread.add(given.key)
        else:
            self.origins[given.key] = Origin(source=given.source, name=given.name)

    def name(self, key: str) -> str:
        """Return where the value of `key` comes from, as its source calls it."""
        return self.origins[key].name if key in self.origins else key

    def has_read(self, *keys: str) -> bool:
        """Return whether these have the values that were meant, so that they can be compared."""
        return self._unread.isdisjoint(keys)
