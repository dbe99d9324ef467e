"""Browser sessions: a cookie in the place of a token."""

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.http.sessions import COOKIE, LASTS_S, MOST, Sessions
from taskqueue.http.state import HttpState
from taskqueue.rules.access import Role, Token, Tokens, digest_of
from tests.gateway.scripted import NOW, ScriptedService


async def begin(http: ClientSession, token: str, **headers: str) -> ClientResponse:
    return await http.post("/session", json={"token": token}, headers=headers)


def cookie_of(answer: ClientResponse) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={answer.cookies[COOKIE].value}"}


def token(text: str = "tq_x", expires_at: float | None = None) -> Token:
    return Token(
        name="web",
        role=Role.ADMIN,
        digest=digest_of(text),
        created_at=0.0,
        expires_at=expires_at,
    )


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(
    http: ClientSession, service: ScriptedService
) -> None:
    text = await service.grant(Role.ADMIN)

    answer = await begin(http, text)

    assert await answer.json() == {"name": "admin", "role": "admin", "expires_at": NOW + LASTS_S}
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert text not in name
    assert set(attributes) == {f"Max-Age={LASTS_S}", "Path=/", "HttpOnly", "SameSite=Strict"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://localhost", "Host": "localhost"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Proto": "http, https"},
    ],
)
async def test_the_cookie_is_secure_behind_https(
    http: ClientSession, service: ScriptedService, headers: dict[str, str]
) -> None:
    answer = await begin(http, await service.grant(Role.ADMIN), **headers)

    assert answer.status == 200
    assert answer.headers["Set-Cookie"].endswith("; Secure")


async def test_a_session_ends_when_it_is_deleted(
    http: ClientSession, service: ScriptedService
) -> None:
    cookie = cookie_of(await begin(http, await service.grant(Role.ADMIN)))
    http.cookie_jar.clear()

    before = await http.get("/tasks", headers=cookie)
    ended = await http.delete("/session", headers=cookie)
    after = await http.get("/tasks", headers=cookie)

    assert (before.status, ended.status, after.status) == (200, 204, 401)
    assert f"{COOKIE}=; Max-Age=0" in ended.headers["Set-Cookie"]


async def test_a_session_is_not_begun_with_a_token_that_does_not_count(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.grant(Role.ADMIN, "old", expires_at=NOW)

    answers = [await begin(http, text) for text in ("tq_old", "tq_unknown", "")]

    for answer in answers:
        assert (answer.status, (await answer.json())["error"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "Set-Cookie" not in answer.headers


async def test_a_session_outlives_its_gateway(
    http: ClientSession, service: ScriptedService, state: HttpState
) -> None:
    answer = await begin(http, text := await service.grant(Role.ADMIN))
    session_id = answer.cookies[COOKIE].value

    tokens = Tokens(await service.storage.tokens())

    found = state.sessions.find(session_id, tokens, now=NOW)
    assert found == tokens.find(text, now=NOW)


async def test_a_cookie_that_is_none_is_no_session(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.grant(Role.ADMIN)

    answers = [
        await http.get("/tasks", headers={"Cookie": cookie})
        for cookie in (f"{COOKIE}=guess", "other=1", "\xff;;=", f"{COOKIE}")
    ]

    assert [answer.status for answer in answers] == [401, 401, 401, 401]


def test_a_session_ends_with_its_token() -> None:
    sessions, now = Sessions(), 5.0
    session_id, expires_at = sessions.begin(token(expires_at=9.0), now=now)

    assert expires_at == 9.0
    assert sessions.find(session_id, Tokens([token(expires_at=9.0)]), now=8.9) is not None
    assert sessions.find(session_id, Tokens([token(expires_at=9.0)]), now=9.0) is None
    assert sessions.find(session_id, Tokens([token("tq_other")]), now=now) is None
    assert sessions.find(session_id, Tokens(), now=now) is None


def test_one_session_too_many_ends_the_oldest() -> None:
    sessions, tokens = Sessions(), Tokens([token()])
    ids = [sessions.begin(token(), now=0.0)[0] for _ in range(MOST + 1)]

    found = [sessions.find(session_id, tokens, now=0.0) is not None for session_id in ids]

    assert found == [False] + [True] * MOST


async def test_while_no_token_exists_this_machine_may_do_all(http: ClientSession) -> None:
    answer = await http.get("/session")

    assert await answer.json() == {"name": "local", "role": "admin"}


async def test_a_page_can_ask_who_it_is(http: ClientSession, service: ScriptedService) -> None:
    cookie = cookie_of(await begin(http, await service.grant(Role.READ)))

    without = await http.get("/session")
    within = await http.get("/session", headers=cookie)

    assert without.status == 401
    assert await within.json() == {"name": "read", "role": "read"}
