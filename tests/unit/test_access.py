"""Roles, tokens and the decision about a request."""

import pytest

from taskqueue.rules.access import (
    Caller,
    Page,
    Proof,
    Refusal,
    Refused,
    Requester,
    Role,
    Token,
    Tokens,
    decide,
    digest_of,
)


def token(role: Role = Role.ADMIN, *, expires_at: float | None = None) -> Token:
    return Token(
        name="ci", role=role, digest=digest_of("tq_x"), created_at=0.0, expires_at=expires_at
    )


def requester(**changes: object) -> Requester:
    known: dict[str, object] = {
        "address": "127.0.0.1",
        "is_local": True,
        "is_forwarded": False,
        "has_loopback_host": True,
        "page": Page.UNSTATED,
        "proof": Proof.NONE,
    }
    return Requester(**{**known, **changes})  # type: ignore[arg-type]  # as the table has them


@pytest.mark.parametrize("has", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_includes_those_before_it(has: Role, needed: Role) -> None:
    allowed = {
        (Role.READ, Role.READ),
        (Role.ENQUEUE, Role.READ),
        (Role.ENQUEUE, Role.ENQUEUE),
        (Role.ADMIN, Role.READ),
        (Role.ADMIN, Role.ENQUEUE),
        (Role.ADMIN, Role.ADMIN),
    }

    assert has.includes(needed) is ((has, needed) in allowed)


def test_a_token_counts_until_the_instant_of_its_expiry() -> None:
    tokens = Tokens([token(expires_at=10.0)])

    assert tokens.find("tq_x", now=9.9) is not None
    assert tokens.find("tq_x", now=10.0) is None
    assert tokens.find("tq_y", now=0.0) is None


def test_an_expired_token_still_counts_as_existing() -> None:
    assert bool(Tokens([token(expires_at=0.0)]))
    assert not Tokens()


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False  # whatever a look-up says, this decides

    monkeypatch.setattr("taskqueue.rules.access.hmac.compare_digest", compare)

    assert Tokens([token()]).find("tq_x", now=0.0) is None
    assert compared == [(digest_of("tq_x"), digest_of("tq_x"))]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"is_local": False}, "taskqueue tokens new"),
        ({"is_forwarded": True}, "`behind_proxy`"),
        ({"has_loopback_host": False}, "`trusted_hosts`"),
    ],
)
def test_without_tokens_a_refusal_says_what_to_configure(
    changes: dict[str, object], says: str
) -> None:
    answer = decide(requester(**changes), Role.READ, changes=False, has_tokens=False)

    assert isinstance(answer, Refusal)
    assert answer.kind is Refused.FORBIDDEN
    assert says in answer.detail
    assert "taskqueue tokens new" in answer.detail


def test_a_caller_is_named_after_its_token() -> None:
    known = requester(proof=Proof.HEADER, token=token(), is_local=False, address="10.0.0.7")

    with_token = decide(known, Role.ADMIN, changes=True, has_tokens=True)
    without = decide(requester(), Role.ADMIN, changes=True, has_tokens=False)

    assert with_token == Caller(name="ci", address="10.0.0.7", role=Role.ADMIN)
    assert without == Caller(name="local", address="127.0.0.1", role=Role.ADMIN)


def test_a_role_that_is_too_small_is_named_with_the_one_that_is_needed() -> None:
    reader = requester(proof=Proof.HEADER, token=token(Role.READ))

    answer = decide(reader, Role.ADMIN, changes=True, has_tokens=True)

    assert isinstance(answer, Refusal)
    assert answer.detail == "This call needs the role admin; the token 'ci' has read."


@pytest.mark.parametrize(
    ("proof", "page", "is_allowed"),
    [
        (Proof.HEADER, Page.UNSTATED, True),
        (Proof.HEADER, Page.OWN, True),
        (Proof.HEADER, Page.FOREIGN, False),
        (Proof.COOKIE, Page.UNSTATED, False),
        (Proof.COOKIE, Page.OWN, True),
        (Proof.COOKIE, Page.FOREIGN, False),
    ],
)
def test_a_change_depends_on_the_page_and_a_read_does_not(
    proof: Proof, page: Page, *, is_allowed: bool
) -> None:
    asking = requester(proof=proof, page=page, token=token())

    change = decide(asking, Role.READ, changes=True, has_tokens=True)
    read = decide(asking, Role.READ, changes=False, has_tokens=True)

    assert isinstance(change, Caller) is is_allowed
    assert isinstance(read, Caller)
