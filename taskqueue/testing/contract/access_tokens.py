"""The part of the storage contract about access tokens."""

from taskqueue.rules.access import Role, Token, digest_of
from taskqueue.storage.protocol import Storage


def token(name: str, role: Role = Role.ADMIN, *, expires_at: float | None = None) -> Token:
    """Return a token whose text is its name."""
    return Token(
        name=name, role=role, digest=digest_of(name), created_at=1.0, expires_at=expires_at
    )


class TokensContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_tokens_are_listed_by_name_as_they_were_added(self, storage: Storage) -> None:
        ci, web = token("ci"), token("web", Role.READ, expires_at=9.0)

        added = [await storage.add_token(web), await storage.add_token(ci)]

        assert added == [True, True]
        assert await storage.tokens() == (ci, web)

    async def test_a_name_is_taken_until_its_token_is_revoked(self, storage: Storage) -> None:
        first, second = token("ci"), token("ci", Role.READ)
        await storage.add_token(first)

        refused = await storage.add_token(second)
        kept = await storage.tokens()
        revoked = await storage.revoke_token("ci")
        added = await storage.add_token(second)

        assert (refused, kept, revoked, added) == (False, (first,), True, True)
        assert await storage.tokens() == (second,)

    async def test_only_the_named_token_is_revoked_and_only_once(self, storage: Storage) -> None:
        await storage.add_token(token("a"))
        await storage.add_token(token("b"))

        answers = [await storage.revoke_token(name) for name in ("a", "a", "unknown")]

        assert answers == [True, False, False]
        assert [each.name for each in await storage.tokens()] == ["b"]

    async def test_the_latest_use_is_noted_and_never_moves_back(self, storage: Storage) -> None:
        for name in ("a", "b", "unused"):
            await storage.add_token(token(name))

        await storage.note_token_use({"a": 5.0, "b": 7.0, "revoked": 8.0})
        await storage.note_token_use({"a": 4.0, "b": 9.0})

        found = {each.name: each.used_at for each in await storage.tokens()}
        assert found == {"a": 5.0, "b": 9.0, "unused": None}

    async def test_tokens_outlive_a_reopening(self, storage: Storage) -> None:
        await storage.add_token(token("ci"))

        await storage.close()
        await storage.open()

        assert await storage.tokens() == (token("ci"),)
