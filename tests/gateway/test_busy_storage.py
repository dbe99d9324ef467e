"""A call that needs what another program holds is refused, and names that program."""

import json

import pytest
from aiohttp import ClientSession

from taskqueue.errors import StorageBusy
from tests.gateway.scripted import ScriptedService
from tests.gateway.test_access_table import ADMIN, BODIES, ENQUEUE, NEEDS

HOLDER = "process 7 of the server (shop) has had a transaction open for 9 s"
PLAN = {"action": "uppercase", "every_s": 60}
CHANGES = [call for call, needs in NEEDS.items() if needs in (ENQUEUE, ADMIN)]
IN_PART = {
    "/tasks/cancel",
    "/tasks/redrive",
    "/tasks/run-now",
    "/tasks/delete",
    "/dead/redrive",
    "/dead/delete",
    "/groups/{group}/cancel",
    "/groups/{group}/redrive",
}


@pytest.mark.parametrize(("method", "path"), CHANGES, ids=" ".join)
async def test_every_change_names_the_program_that_is_in_its_way(
    http: ClientSession, service: ScriptedService, method: str, path: str
) -> None:
    service.fault = StorageBusy(f"postgresql://db/name: a lock was not granted in time ({HOLDER})")

    answer = await http.request(method, path.format_map(_NAMES), json=_body(method, path))

    problem = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), problem
    assert HOLDER in problem["detail"]
    says_nothing_done = problem["detail"].startswith(
        ("Nothing was changed: ", "It was not stored: ")
    )
    assert says_nothing_done == (path not in IN_PART)


class _Names(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "one"


_NAMES = _Names()


def _body(method: str, path: str) -> object:
    if path == "/schedules" or (path, method) == ("/schedules/{name}", "PUT"):
        return PLAN if method == "PUT" else {"name": "one", **PLAN}
    if (path, method) == ("/schedules/{name}", "PATCH"):
        return {"every_s": 60}
    return json.loads(BODIES[path]) if path in BODIES else {}
