"""Faults of PostgreSQL are told as such, cost no task and no restart, and heal by themselves."""

import secrets
import time
from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import pytest

from taskqueue.postgres import enqueue_async as postgres_enqueue
from taskqueue.testing.contract.steps import new_task
from tests.postgres_server import PostgresServer
from tests.storage.conftest import postgres
from tests.system.server_faults import FAULTS, ROLE, Served, ServerFault, full_at, small_disk
from tests.system.services import TIMEOUT_S, Answer, Client, Services, until, when
from tests.system.test_degraded import APP, AT_ONCE_S, lives

__all__ = ["postgres"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

_HAS_ROLE = f"""
DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
"""
SMALL_MB = 40
QUICK = '{"action": "quick", "data": {}}'


async def owned(postgres: PostgresServer, *, tablespace: str = "pg_default") -> Served:
    """Create an empty database of the user of the service."""
    await postgres.run(_HAS_ROLE)
    name = await postgres.create()
    await postgres.run(f"ALTER DATABASE {name} OWNER TO {ROLE}")
    await postgres.run(f"ALTER DATABASE {name} SET TABLESPACE {tablespace}")
    return Served(postgres, name)


@pytest.fixture
async def served(postgres: PostgresServer, services: Services) -> AsyncIterator[Served]:
    served = await owned(postgres)
    yield served
    await services.end()  # before their database is dropped
    await postgres.drop(served.name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_of_the_server(
    services: Services, http: aiohttp.ClientSession, served: Served, fault: ServerFault
) -> None:
    await hold_to_its_promises(fault, services, http, served)


async def test_a_key_that_a_program_holds_is_refused_and_the_service_stays_ready(
    services: Services, http: aiohttp.ClientSession, served: Served
) -> None:
    service = await services.start(*APP, "--database", served.url)
    client = Client(http, service)
    ordered = new_task("order", action="quick", unique_key="K", payload=QUICK)
    shop = await served.connect("shop")
    transaction = shop.transaction()
    await transaction.start()
    await postgres_enqueue(shop, ordered)

    refused = [await client.try_to_post("quick", options={"unique_key": "K"}) for _ in range(2)]
    readiness = await client.get("/ready")
    accepted = [await client.post("quick")]
    await when(accepted, service, "task_completed")
    await transaction.rollback()
    await shop.close()
    accepted.append(await client.post("quick", options={"unique_key": "K"}))
    await when(accepted, service, "task_completed")

    assert [answer.status for answer in refused] == [503, 503]
    detail = refused[1].body["detail"]  # the first one was answered before its commit gave up
    assert "It was not stored: " in detail
    assert "(shop) holds locks" in detail
    assert readiness.status == 200
    assert service.events.select("storage_degraded") == []


async def test_a_task_that_a_program_holds_keeps_no_other_waiting_and_all_calls_name_it(
    services: Services, http: aiohttp.ClientSession, served: Served
) -> None:
    service = await services.start(*APP, "--database", served.url)
    client, gate = Client(http, service), services.folder / "gate"
    held = await client.post("hold", until=str(gate))
    await until(lambda: client.get(f"/tasks/{held}"), lambda a: a.body["status"] == "running")
    shop = await served.connect("shop")
    transaction = shop.transaction()
    await transaction.start()
    await shop.execute("SELECT FROM taskqueue.tasks WHERE id = $1 FOR UPDATE", held)

    gate.touch()
    await service.wait_for("settlement_postponed", timeout_s=TIMEOUT_S)
    others = [await client.post("quick") for _ in range(20)]
    later = {"delay_s": 0.6}  # claimed by a poll, which notes starts as well
    others += [await client.post("quick", options=later) for _ in range(3)]
    await when(others, service, "task_completed")
    paths = (f"/tasks/{held}/cancel", "/tasks/cancel?queue=default")
    # A server that is busy may not say at once who holds it, or not before the call is answered.
    refused = [await until(partial(client.try_to_change, path), names_the_shop) for path in paths]
    readiness = await client.get("/ready")
    await transaction.rollback()
    await shop.close()
    await when([held], service, "task_completed")

    assert [answer.status for answer in refused] == [503] * len(paths)
    assert "Nothing was changed: " in refused[0].body["detail"]
    assert readiness.status == 200
    reasons = [event["reason"] for event in service.events.select("settlement_postponed")]
    assert any("(shop) holds locks" in reason for reason in reasons)
    assert service.events.select("storage_degraded") == []


def names_the_shop(answer: Answer) -> bool:
    """Tell whether an answer names the program that holds the task."""
    return "(shop) holds locks" in answer.body.get("detail", "")


async def test_a_full_disk_of_the_server(
    services: Services, http: aiohttp.ClientSession, postgres: PostgresServer
) -> None:
    with small_disk(SMALL_MB) as disk:
        if disk is None:
            pytest.skip("`mount -t tmpfs` does not work here: it takes root")
        await postgres.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        served = await owned(postgres, tablespace="small")

        await hold_to_its_promises(full_at(disk), services, http, served)

        await services.end()
        await postgres.drop(served.name)
        await postgres.run("DROP TABLESPACE small")


async def hold_to_its_promises(
    fault: ServerFault, services: Services, http: aiohttp.ClientSession, served: Served
) -> None:
    """Inflict a fault on a service that has tasks of all kinds."""
    service = await services.start(*APP, "--database", served.url)
    client, gate = Client(http, service), services.folder / "gate"
    before = await lives(client)
    accepted = [await client.post("quick") for _ in range(10)]
    await when(accepted, service, "task_completed")
    held = await client.post("hold", until=str(gate))
    await until(lambda: client.get(f"/tasks/{held}"), lambda a: a.body["status"] == "running")

    async def refused() -> bool:
        # Much, and random: a disk may be full but for what is left in a page.
        answer = await client.try_to_post("take", text=secrets.token_hex(100_000))
        if answer.status == 202:
            accepted.append(answer.body["id"])
        return answer.status == 503

    async with fault.inflict(served):
        await until(refused, bool)
        not_ready = await until(
            lambda: client.get("/ready"), lambda a: fault.reason in a.body.get("detail", "")
        )
        gate.touch()
        shown = await until(
            lambda: client.get("/tasks?limit=100"),
            lambda a: a.status == (200 if fault.readable else 503),
        )
        began = time.monotonic()
        alive = await client.get("/health")
        took_s = time.monotonic() - began
    await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    accepted += [held, await client.post("quick")]
    await when(accepted, service, "task_completed")

    assert (not_ready.status, alive.status) == (503, 200)
    assert took_s < AT_ONCE_S
    assert not fault.readable or held in {task["id"] for task in shown.body["tasks"]}
    for task_id in accepted:
        task = await client.show(task_id)
        assert (task["status"], len(task["attempts"])) == ("completed", 1)
        assert len(service.events.select("task_completed", task_id=task_id)) == 1
    assert await lives(client) == before
    reasons = [event["reason"] for event in service.events.select("storage_degraded")]
    assert any(fault.reason in reason for reason in reasons)
