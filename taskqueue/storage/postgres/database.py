"""PostgreSQL in the settings: which server and database."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from msgspec.structs import replace

from taskqueue.storage.backend import Database

HIDDEN = "***"
_POOLER = "pooler"
_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class PostgresDatabase(Database):
    """Tasks in a PostgreSQL database, in its schema `taskqueue`.

    `postgresql://user:password@host:5432/name`, with the parameters that libpq has, such as
    `?sslmode=verify-full`. `?pooler=true` says that a pooler in transaction mode stands between,
    `?pooler=false` that none does; without either, `poolers` finds out.
    """

    scheme: ClassVar[str] = "postgresql"
    example: ClassVar[str] = "postgresql://user@host/name"

    url: str
    database_direct: Annotated[
        Database | None, "URL of the server itself, if --database is that of a pooler."
    ] = None

    @classmethod
    def named(cls, url: str) -> Self | None:
        parts = urlsplit(url)
        if "@" in f"{parts.path}{parts.query}{parts.fragment}":  # else a password would be shown
            raise ValueError(
                "in the user, password or options of a PostgreSQL URL write / as %2F, ? as %3F, "
                "# as %23 and @ as %40"
            )
        if not _has_port(parts):
            raise ValueError("the port of this PostgreSQL URL is no number up to 65535")
        if parts.fragment:
            raise ValueError("a PostgreSQL URL has no part behind #; write it as %23")
        if unquote(parts.password or "") == HIDDEN:
            raise ValueError(f"the password of this PostgreSQL URL is hidden ({HIDDEN})")
        if parts.path.strip("/") == "":
            raise ValueError("a PostgreSQL URL names a database: postgresql://user@host/name")
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name == _POOLER and value.lower() not in _FLAGS:
                raise ValueError(f"pooler is true or false, not {value!r}")
        return cls(url=_text(parts._replace(scheme=cls.scheme)))

    @property
    def has_pooler(self) -> bool:
        """Whether a session may change from statement to statement outside a transaction."""
        return bool(self.says_pooler)

    @property
    def says_pooler(self) -> bool | None:
        """Whether the URL says that there is a pooler in transaction mode; None: it does not."""
        said = [_FLAGS[value.lower()] for name, value in self._options if name == _POOLER]
        return said[-1] if said else None

    @property
    def behind_pooler(self) -> Self:
        """The same database, with the URL saying that a pooler in transaction mode is there."""
        others = [(name, value) for name, value in self._options if name != _POOLER]
        query = urlencode([*others, (_POOLER, "true")], quote_via=quote)
        return replace(self, url=_text(urlsplit(self.url)._replace(query=query)))

    @property
    def direct(self) -> "PostgresDatabase":
        """The same database, reached in the way that is known to keep a session."""
        direct = self.database_direct
        return direct if isinstance(direct, PostgresDatabase) else self

    @property
    def dsn(self) -> str:
        """The URL for the driver: with the password, without what is ours alone."""
        others = [(name, value) for name, value in self._options if name != _POOLER]
        query = urlencode(others, quote_via=quote)
        return _text(urlsplit(self.url)._replace(query=query))

    @property
    def files(self) -> Mapping[str, str]:
        """The files that the URL names, by the parameters that do so."""
        return {name: path for name, path in self._options if name in _FILES}

    @property
    def _options(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)

    def __str__(self) -> str:
        return _text(_without_passwords(urlsplit(self.url), self._options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


def _has_port(parts: SplitResult) -> bool:
    """Tell whether the port, if there is one, can be one. What it is may be part of a password."""
    try:
        return "," in parts.netloc or (parts.port or 0) >= 0  # several hosts have a port each
    except ValueError:
        return False


def _text(parts: SplitResult) -> str:
    # The library leaves out the slashes of a URL without a host, which names a local socket.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _without_passwords(parts: SplitResult, options: list[tuple[str, str]]) -> SplitResult:
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = f"{name}{colon}{HIDDEN if colon else ''}{at}{host}"
    query = parts.query
    if any("password" in option.lower() for option, _ in options):
        hidden = [
            (name, HIDDEN if "password" in name.lower() else value) for name, value in options
        ]
        query = urlencode(hidden, quote_via=quote, safe="*")
    return parts._replace(netloc=shown, query=query)
