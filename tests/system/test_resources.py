"""The app's resources in a whole service: opened before it is ready, closed before it is gone."""

from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceEnded
from tests.executors.resourceful import FILE
from tests.system.services import Client, Services, when

pytestmark = pytest.mark.forked

FLAGS = ("--app", "tests.executors.resourceful:app", "--consumers", "1")


async def test_a_stop_closes_those_of_consumers_and_of_processes(
    services: Services, http: aiohttp.ClientSession
) -> None:
    file = services.folder / "notes"
    client = Client(http, await services.start(*FLAGS, env={FILE: str(file)}))
    task_id = await client.post("on_loop")
    await when([task_id], client.service, "task_completed")
    worker = (await client.show(task_id))["result"]

    code = await client.service.stop()

    notes = file.read_text().splitlines()
    [consumer] = {int(note.split()[1]) for note in notes} - {worker}
    assert code == 0
    assert notes == [
        f"open {consumer}",
        f"open {worker}",
        f"close {worker}",
        f"close {consumer}",
    ]


async def test_a_service_that_cannot_open_them_says_why(services: Services, tmp_path: Path) -> None:
    services.expect("child_start_failed")
    (tmp_path / "notes.down").touch()

    with pytest.raises(ServiceEnded) as ended:
        await services.start(*FLAGS, env={FILE: str(tmp_path / "notes")})

    assert ended.value.code != 0
    assert "resources not opened: ConnectionRefusedError: no database" in ended.value.stderr
    assert "Traceback" not in ended.value.stderr
