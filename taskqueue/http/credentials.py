"""Caches the tokens: refreshed while requests arrive, so that revoked ones end soon."""

import asyncio
import contextlib
from time import monotonic

from taskqueue.clock import Clock
from taskqueue.commands import Ask, GetTokens, NoteTokenUse
from taskqueue.http.problems import UNAVAILABLE
from taskqueue.rules.access import Token, Tokens

FRESH_S = 0.25  # older tokens are refreshed in the background
STALE_S = 0.75  # a request waits for tokens older than this
REFRESH_WAIT_S = 1.0  # from the start of a refresh; after that the cached tokens are used
USE_S = 60.0  # a token's use is written at most this often


class Credentials:
    """Finds tokens without a round trip per request; an idle service reads none."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._tokens: Tokens | None = None
        self._read_at = 0.0
        self._began_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._used: dict[str, float] = {}

    async def current(self) -> Tokens:
        """Return the tokens as they were less than a second ago.

        Raises:
            StorageUnavailable, ActorUnavailable, AskTimeout: they could not be read even once.
        """
        if self._tokens is None:
            return await self._read()
        age_s = monotonic() - self._read_at
        if age_s < FRESH_S:
            return self._tokens
        reading = self._read_soon()
        if age_s > STALE_S:
            left_s = self._began_at + REFRESH_WAIT_S - monotonic()
            await asyncio.wait((reading,), timeout=max(0.0, left_s))
        return self._tokens

    def used(self, token: Token) -> None:
        """Note that a token was used; it is written at once, then once a minute."""
        now = self._clock.now()
        if token.used_at is None or now - token.used_at >= USE_S:
            self._used[token.name] = now
            self._read_soon()

    async def close(self) -> None:
        """End what is being read or written."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    def _read_soon(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._began_at = monotonic()
            self._reading = asyncio.create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        with contextlib.suppress(*UNAVAILABLE):
            await self._read()
            while self._used:
                await self._write_uses()
                await self._read()

    async def _read(self) -> Tokens:
        started_at = monotonic()
        tokens = self._tokens = Tokens(await self._ask(GetTokens()))
        self._read_at = started_at
        return tokens

    async def _write_uses(self) -> None:
        used, self._used = self._used, {}
        try:
            await self._ask(NoteTokenUse(used=used))
        except UNAVAILABLE:
            self._used = {**used, **self._used}  # with the next request that finds tokens stale
            raise
