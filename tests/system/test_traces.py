"""Traces of a real service: over HTTP, its consumers and its worker processes."""

from pathlib import Path

import aiohttp
import msgspec

from taskqueue import AsyncClient
from tests.forked.service import ForkedService

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_the_spans_of_all_processes_make_one_trace(tmp_path: Path) -> None:
    header = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}

    async with (
        ForkedService(tmp_path, "--app", "tests.system.traced_app:app") as service,
        aiohttp.ClientSession() as http,
        AsyncClient(service.url) as client,
    ):
        posted = await http.post(f"{service.url}/tasks", json={"action": "charge"}, headers=header)
        follow_up = await client.task((await posted.json())["id"]).result(timeout_s=20)
        await client.task(follow_up).wait(timeout_s=20)
        tasks = [task.id async for task in client.tasks(trace=TRACE)]

    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    spans = {span["name"]: span for span in map(msgspec.json.decode, lines)}
    names = ("send default", "process default", "send mail", "process mail")
    assert spans.keys() == {*names}
    assert {span["context"]["trace_id"] for span in spans.values()} == {f"0x{TRACE}"}
    assert [spans[name]["parent_id"] for name in names] == [
        "0xb7ad6b7169203331",
        *(spans[name]["context"]["span_id"] for name in names[:3]),
    ]
    assert len(tasks) == 2
