"""`taskqueue tokens`: create, list and revoke access tokens, whether the service runs or not."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

import click
import msgspec

from taskqueue.cli.configuration import load_settings
from taskqueue.cli.numbers import Number
from taskqueue.clock import SystemClock
from taskqueue.errors import StorageError, StorageUnavailable
from taskqueue.rules.access import TOKEN_PREFIX, Role, Token, digest_of
from taskqueue.settings.kinds import DAY_S
from taskqueue.storage.databases import tokens_of
from taskqueue.storage.tokens import Tokens

T = TypeVar("T")

_TOKEN_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME_FORM = "1 to 64 letters, digits, dots, hyphens and underscores"
_FAILED = 1

_HELP = """Create, list and revoke the tokens that give access to the service.

As soon as one token exists, every request needs one. A running service applies changes within a
second. The settings are those of the service; flags such as --database go before the command
(taskqueue --database tasks.db tokens list)."""


def command() -> click.Group:
    """Return the command."""

    def new(*, role: str, name: str, expires_days: float | None) -> None:
        if not _NAME.fullmatch(name):
            raise click.BadParameter(f"expected {_NAME_FORM}, got {name!r}", param_hint="--name")
        text = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        token = _token(text, Role(role), name, expires_days)
        if not _on_tokens(lambda tokens: tokens.add_token(token), make=True):
            _fail(f"a token named {name!r} exists; revoke it first, or choose another name")
        click.echo(text)
        click.echo(
            "Save it now: only its hash is stored. From now on every request needs a token.",
            err=True,
        )

    def show(*, json: bool) -> None:
        tokens = _on_tokens(lambda tokens: tokens.tokens())
        click.echo(_as_json(tokens) if json else _as_table(tokens))

    def revoke(*, name: str) -> None:
        if not _on_tokens(lambda tokens: tokens.revoke_token(name)):
            _fail(f"no token is named {name!r}; `taskqueue tokens list` shows the names")
        click.echo(f"revoked {name}")
        if not _on_tokens(lambda tokens: tokens.tokens()):
            click.echo(
                "No token is left: every program on this machine has access, no other machine has.",
                err=True,
            )

    return click.Group(
        "tokens",
        help=_HELP,
        commands=[_new_command(new), _list_command(show), _revoke_command(revoke)],
    )


def _new_command(callback: Callable[..., None]) -> click.Command:
    return click.Command(
        "new",
        callback=callback,
        params=[
            click.Option(
                ["--role"], type=click.Choice([role.value for role in Role]), required=True
            ),
            click.Option(["--name"], required=True, metavar="NAME", help=f"{_NAME_FORM}."),
            click.Option(
                ["--expires-days"],
                type=Number(min=0, min_open=True, max=36_500),
                metavar="N",
                help="Days until the token expires; by default it does not expire.",
            ),
        ],
        help="Create a token and print it, only this once.",
    )


def _list_command(callback: Callable[..., None]) -> click.Command:
    return click.Command(
        "list",
        callback=callback,
        params=[click.Option(["--json"], is_flag=True, help="Print JSON, for programs.")],
        help="List the tokens: name, role, times; never the token itself.",
    )


def _revoke_command(callback: Callable[..., None]) -> click.Command:
    return click.Command(
        "revoke",
        callback=callback,
        params=[click.Argument(["name"])],
        help="Delete a token: requests with it are refused within a second.",
    )


def _token(text: str, role: Role, name: str, expires_days: float | None) -> Token:
    now = SystemClock().now()
    return Token(
        name=name,
        role=role,
        digest=digest_of(text),
        created_at=now,
        expires_at=None if expires_days is None else now + expires_days * DAY_S,
    )


def _on_tokens(use: Callable[[Tokens], Awaitable[T]], *, make: bool = False) -> T:
    """Return what `use` does with the tokens of the service; only `new` makes a file for them."""
    database = load_settings().database

    async def run() -> T:
        async with tokens_of(database, make=make) as tokens:
            return await use(tokens)

    try:
        return asyncio.run(run())
    except StorageUnavailable as error:
        _fail(f"database: {error.reason}")
    except StorageError as error:
        _fail(f"database: {error}")


def _fail(reason: str) -> NoReturn:
    click.echo(f"taskqueue: {reason}", err=True)
    click.get_current_context().exit(_FAILED)


_COLUMNS = ("name", "role", "created", "expires", "last used")


def _as_table(tokens: tuple[Token, ...]) -> str:
    rows = [_COLUMNS, *map(_row, tokens)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(token: Token) -> tuple[str, ...]:
    times = (token.created_at, token.expires_at, token.used_at)
    return (token.name, token.role, *(_time(at) for at in times))


def _time(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _as_json(tokens: tuple[Token, ...]) -> str:
    shown = [{k: v for k, v in msgspec.to_builtins(t).items() if k != "digest"} for t in tokens]
    return msgspec.json.encode(shown).decode()
