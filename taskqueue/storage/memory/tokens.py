"""Access tokens in memory."""

from collections.abc import Mapping

from msgspec.structs import replace

from taskqueue.rules.access import Token
from taskqueue.storage.memory.part import MemoryPart


class MemoryTokens(MemoryPart):
    """The part of the model that keeps tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens: dict[str, Token] = {}

    async def add_token(self, token: Token) -> bool:
        self._require_open()
        return self._tokens.setdefault(token.name, token) is token

    async def tokens(self) -> tuple[Token, ...]:
        self._require_open()
        return tuple(self._tokens[name] for name in sorted(self._tokens))

    async def revoke_token(self, name: str) -> bool:
        self._require_open()
        return self._tokens.pop(name, None) is not None

    async def note_token_use(self, used: Mapping[str, float]) -> None:
        self._require_open()
        for name, at in used.items():
            token = self._tokens.get(name)
            if token is not None and (token.used_at is None or token.used_at < at):
                self._tokens[name] = replace(token, used_at=at)
