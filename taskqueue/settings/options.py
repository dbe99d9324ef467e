"""The table of all settings with their names in every source."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal, get_args, get_origin

from msgspec import NODEFAULT
from msgspec.structs import FieldInfo, fields

from taskqueue.settings.kinds import Choice, DatabaseURL, EngineURL, Kind
from taskqueue.settings.model import TABLES, Settings
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import DATABASES
from taskqueue.structs import Struct

PREFIX = "TASKQUEUE_"

_FORMER = {"trusted_hosts": "hosts"}
"""Earlier names of settings, which still work."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One setting: what it accepts, what it is for, and what it is called."""

    key: str  # in taskqueue.toml; a dot leads into a table
    kind: Kind
    help: str
    default: object
    engine: str | None = None  # the scheme of the databases that it is a setting of; None: of all

    @property
    def variable(self) -> str:
        """Its name in the environment: `retry.max_s` is `TASKQUEUE_RETRY__MAX_S`."""
        return variable_of(self.key)

    @property
    def flag(self) -> str:
        """Its name on the command line: `retry.max_s` is `--retry-max-s`."""
        return _flag_of(self.key)

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line, earlier ones too."""
        return tuple(map(_flag_of, self.keys))

    @property
    def keys(self) -> tuple[str, ...]:
        """Its names in taskqueue.toml, earlier ones too."""
        return (_FORMER[self.key], self.key) if self.key in _FORMER else (self.key,)

    def value_in(self, settings: Settings) -> object:
        """Return its value in `settings`, whose database has this setting."""
        table, _, name = self.key.rpartition(".")
        holder = settings.database if self.engine else settings
        return getattr(getattr(holder, table) if table else holder, name)


def variable_of(key: str) -> str:
    """Return the name of a setting in the environment."""
    return PREFIX + key.replace(".", "__").upper()


def _flag_of(key: str) -> str:
    return "--" + key.replace(".", "-").replace("_", "-")


def _options() -> Iterator[Option]:
    for field in fields(Settings):
        if field.type in TABLES:
            yield from _options_of_table(field.name, field.type)
        elif get_origin(field.type) is Annotated:
            kind, text = field.type.__metadata__
            yield Option(key=field.name, kind=kind, help=text, default=_default_of(field))
            if isinstance(kind, DatabaseURL):
                yield from chain.from_iterable(map(_options_of_engine, DATABASES.values()))


def _options_of_table(table: str, rules: type[Struct]) -> Iterator[Option]:
    for field in fields(rules):
        kind, text = TABLES[rules][field.name]
        yield Option(key=f"{table}.{field.name}", kind=kind, help=text, default=field.default)


def _options_of_engine(database: type[Database]) -> Iterator[Option]:
    for field in fields(database):
        if get_origin(field.type) is Annotated:
            accepted, text = get_args(field.type)
            is_choice = get_origin(accepted) is Literal
            yield Option(
                key=field.name,
                kind=Choice(get_args(accepted)) if is_choice else EngineURL(database),
                help=text,
                default=field.default,
                engine=database.scheme,
            )


def _default_of(field: FieldInfo) -> object:
    return field.default if field.default is not NODEFAULT else field.default_factory()


OPTIONS = tuple(_options())

BY_KEY = {key: option for option in OPTIONS for key in option.keys}
