"""The part of a storage that keeps access tokens: their digests, never their texts."""

from collections.abc import Mapping
from typing import Protocol

from taskqueue.rules.access import Token


class Tokens(Protocol):
    """A handful of tokens, each under a name of its own."""

    async def add_token(self, token: Token) -> bool:
        """Keep a token; False, and nothing is changed, if another has its name."""
        ...

    async def tokens(self) -> tuple[Token, ...]:
        """Return all tokens, expired ones too, by name."""
        ...

    async def revoke_token(self, name: str) -> bool:
        """Delete the token of this name; False if there is none."""
        ...

    async def note_token_use(self, used: Mapping[str, float]) -> None:
        """Note by name when tokens were last used. An earlier instant than the noted one, or the
        name of a token that was revoked, changes nothing.
        """
        ...
