"""From the sources to the settings.

Each source yields what it was `Given` and the `Fault`s of its own form; `load` lays them over each
other, lets every value be read by its kind, and checks what concerns more than one setting.
"""

import difflib
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, fields, replace

from taskqueue.errors import ConfigError, Fault
from taskqueue.settings.conflicts import conflicts
from taskqueue.settings.model import TABLES, Settings
from taskqueue.settings.options import BY_KEY, PREFIX, variable_of
from taskqueue.settings.origins import Origin, Source
from taskqueue.settings.reading import Found, Given, Reading
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import DEFAULT
from taskqueue.structs import Struct

FILE_NAME = "taskqueue.toml"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"

_BY_VARIABLE = {variable_of(key): option for key, option in BY_KEY.items()}
_TABLES = {key.partition(".")[0] for key in BY_KEY if "." in key}
# Ours as well, but read by the tests alone.
_TEST_PREFIX = f"{PREFIX}TEST_"
# Those of the client: an environment is often shared by a service and the programs that use it.
_OF_CLIENTS = frozenset({f"{PREFIX}URL", f"{PREFIX}TOKEN"})

# Noted, because its value does not show it: the path begins at the working folder.
_DEFAULT_DATABASE = Origin(source="default", name="database")


def load(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """Return the settings that defaults, file, environment and flags add up to.

    The file is `flags["config"]`, else `TASKQUEUE_CONFIG`, else `taskqueue.toml` in `cwd` if there
    is one. Relative paths start at `cwd`, so `database` is absolute if `cwd` is.

    Args:
        flags: values by key (`port`, `retry.max_s`), without those that were not used.
        environ: the environment; None: that of this process.
        cwd: the folder; None: the current one.

    Raises:
        ConfigError: something does not fit; `faults` lists all of it, from every source.
    """
    flags = flags or {}
    environ = os.environ if environ is None else environ
    cwd = cwd or Path.cwd()
    given = chain(_from_file(flags, environ, cwd), _from_environ(environ), _from_flags(flags))
    reading = Reading(given)
    return _read(reading, cwd, {"database": _DEFAULT_DATABASE, **reading.origins})


def checked(settings: Settings | None = None, **values: object) -> Settings:
    """Return `settings` (None: the defaults) with `values` over them, all of it checked.

    Neither a file nor the environment is read. `values` have the names of `taskqueue.toml`; a table
    is a mapping or the value that `Settings` has for it. A relative `database` starts at the
    current folder.

    Raises:
        ConfigError: something does not fit; `faults` lists all of it.
    """
    before = settings or Settings()
    given = {key: value for key, value in asdict(before).items() if key != "origins"}
    reading = Reading(_from_document(given | values, source="program"))
    origins = _kept(before, values)
    try:
        return _read(reading, Path.cwd(), origins)
    except FileNotFoundError:  # the folder has been removed, which only a relative path minds
        here, there = (_read(reading, Path(root), origins) for root in ("/1", "/2"))
    if here.database != there.database:
        fault = Fault("database", "is relative, and the working folder has been removed")
        raise ConfigError((fault,))
    return here


def _kept(settings: Settings, values: Mapping[str, object]) -> Mapping[str, Origin]:
    """Return the origins of what is left of `settings` under `values`."""
    replaced = {BY_KEY[name].key if name in BY_KEY else name for name in values}
    if "database" in replaced:  # with all that its engine was told
        replaced |= {key for key, option in BY_KEY.items() if option.engine}
    known = settings.origins
    if settings.database == DEFAULT:
        known = {"database": _DEFAULT_DATABASE, **known}
    return {key: known[key] for key in known if key.partition(".")[0] not in replaced}


def _read(reading: Reading, cwd: Path, origins: Mapping[str, Origin]) -> Settings:
    settings = _settings(reading.values, cwd, origins)
    faults = [*reading.faults, *conflicts(settings, reading)]
    if faults:
        raise ConfigError(tuple(faults))
    return settings


# --- sources -------------------------------------------------------------------------------------


def _from_file(flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path) -> Found:
    for name, chosen in (
        ("--config", flags.get("config")),
        (CONFIG_VARIABLE, environ.get(CONFIG_VARIABLE)),
    ):
        if chosen is not None:
            return _from_toml(cwd / str(chosen), name, shown=str(chosen))
    usual = cwd / FILE_NAME
    return _from_toml(usual, FILE_NAME, shown=FILE_NAME) if usual.exists() else ()


def _from_toml(path: Path, named_by: str, *, shown: str) -> Found:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as unreadable:
        yield Fault(named_by, f"cannot read {shown}: {unreadable.strerror}")
    except UnicodeDecodeError:
        yield Fault(shown, "expected a TOML file, which is UTF-8; this one is not")
    except ValueError as broken:  # also of an integer with too many digits
        yield Fault(shown, f"expected a TOML file: {broken}")
    else:
        yield from _from_document(document, f" in {shown}", source="file")


def _from_document(document: Mapping[str, object], where: str = "", *, source: Source) -> Found:
    for key, value in _flat(document):
        name = f"{key}{where}"
        if key in BY_KEY:
            yield Given(BY_KEY[key].key, name, value, source)
        elif key in _TABLES:
            yield Fault(name, f"expected a table [{key}], got {value!r}")
        else:
            yield Fault(name, f"unknown setting{_meant(key, {*BY_KEY, *_TABLES})}")


def _flat(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        table = asdict(value) if isinstance(value, Struct) else value
        if key in _TABLES and isinstance(table, Mapping):
            yield from ((f"{key}.{inner}", at) for inner, at in table.items())
        else:
            yield key, value


def _from_environ(environ: Mapping[str, str]) -> Found:
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name.startswith(_TEST_PREFIX):
            continue
        if name == CONFIG_VARIABLE or name in _OF_CLIENTS:
            continue
        if option := _BY_VARIABLE.get(name):
            yield Given(option.key, name, environ[name], "variable")
        else:
            # Compared without their prefix, which would make any two of them alike.
            known = {variable.removeprefix(PREFIX) for variable in (*_BY_VARIABLE, CONFIG_VARIABLE)}
            yield Fault(
                name, f"unknown variable{_meant(name.removeprefix(PREFIX), known, before=PREFIX)}"
            )


def _from_flags(flags: Mapping[str, object]) -> Found:
    for key, value in flags.items():
        if option := BY_KEY.get(key):
            yield Given(option.key, option.flag, value, "flag")
        elif key != "config":
            yield Fault(key, f"unknown setting{_meant(key, BY_KEY)}")


def _meant(name: str, known: Collection[str], *, before: str = "") -> str:
    by_fold = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=1)
    return f"; did you mean {before}{by_fold[close[0]]}?" if close else ""


# --- the whole -----------------------------------------------------------------------------------


def _settings(values: Mapping[str, Any], cwd: Path, origins: Mapping[str, Origin]) -> Settings:
    flat = {key: values[key] for key in values if "." not in key and not BY_KEY[key].engine}
    flat["database"] = _database(values).under(cwd)
    tables = {
        field.name: field.type(**_of_table(field.name, values))
        for field in fields(Settings)
        if field.type in TABLES
    }
    return Settings(**flat, **tables, origins=origins)


def _database(values: Mapping[str, Any]) -> Database:
    database: Database = values.get("database", DEFAULT)
    chosen = {key: value for key, value in values.items() if _is_of(database, key)}
    return replace(database, **chosen)


def _is_of(database: Database, key: str) -> bool:
    return BY_KEY[key].engine == database.scheme


def _of_table(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key: key.partition(".") for key in values}
    return {inner: values[key] for key, (outer, _, inner) in keys.items() if outer == table}
