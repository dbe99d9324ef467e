"""What an app does to global state while it is imported changes neither the service nor its log."""

import signal

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED
from tests.system.services import Client, Services, when

pytestmark = pytest.mark.long

HANDLERS = """
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile

import structlog

from taskqueue import App

app = App()


@app.task("quick")
async def quick(ctx):
    return "done"


@app.task("in_process", executor="process")
def in_process(ctx):
    ctx.log.info("in_process")
    return "done"


@app.task("pause")
async def pause(ctx):
    await asyncio.sleep(0.5)


@app.task("fail", max_attempts=1)
async def fail(ctx):
    ctx.log.info("of_the_handler", n=1)
    logging.getLogger("of_the_app").error("of logging")
    raise ValueError("no")

"""

STATES = {
    "structlog through logging": """
structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)
""",
    "no interpreter, and no text on the path": """
sys.executable = None
sys.path.insert(0, object())
""",
    "a record factory that raises": """
logging.basicConfig(level=0, force=True)
logging.setLogRecordFactory(lambda *_, **__: 1 / 0)
""",
    "a processor that raises": """
def fail(*_):
    raise RuntimeError("no processor")


structlog.configure(processors=[fail])
structlog.get_config()["processors"].append(fail)
""",
    "an asynchronous logger": """
structlog.configure(wrapper_class=structlog.stdlib.AsyncBoundLogger)
""",
    "logging to structlog": """
class ToStructlog(logging.Handler):
    def emit(self, record):
        structlog.get_logger().error(record.getMessage())


logging.basicConfig(level=logging.DEBUG, handlers=[], force=True)
logging.getLogger().addHandler(ToStructlog())
""",
    "no logging": "logging.disable(logging.CRITICAL)\n",
    "no standard output": "sys.stdout = None\n",
    "no standard error": "sys.stderr = None\n",
    "a closed standard output": "sys.stdout.close()\n",
    "closed descriptors": "os.closerange(0, 3)\n",
    "a folder that is removed": """
folder = tempfile.mkdtemp()
os.chdir(folder)
os.rmdir(folder)
""",
    "a default timeout": "socket.setdefaulttimeout(0.2)\n",
    "blocked signals": """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
""",
    "ignored children": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
    "an environment that Python cannot start in": """
os.environ["PYTHONHOME"] = os.environ["PYTHONPATH"] = "/nowhere"
""",
}

FLAGS = ("--app", "stateful:app", "--consumers", "1")


@pytest.mark.parametrize("state", STATES.values(), ids=[*STATES])
async def test_tasks_run_on_each_executor_the_log_is_whole_and_a_signal_stops_it(
    services: Services, http: aiohttp.ClientSession, state: str
) -> None:
    (services.folder / "stateful.py").write_text(HANDLERS + state)
    client = Client(http, await services.start(*FLAGS))

    fine = [await client.post("quick"), await client.post("in_process")]
    failing = await client.post("fail")
    await when(fine, client.service, "task_completed")
    await when([failing], client.service, "task_dead_lettered")
    # Idle for longer than the default timeout that an app may have set.
    await when([await client.post("pause")], client.service, "task_completed")
    again = await client.post("in_process")
    await when([again], client.service, "task_completed")
    code = await client.service.stop()

    [_] = client.service.events.select("fork_server_started")
    assert code == 0
    assert client.service.events.select("of_the_handler", task_id=failing, n=1)
    assert len(client.service.events.select("in_process")) == 2
    assert client.service.events.select("signal_received", signal=signal.SIGTERM.name)
    assert client.service.events.select("service_stopped")
    assert client.service.events.select("worker_start_failed") == []
    assert client.service.events.select(PRINTED) == []
    assert len(client.service.events.select("attempt_started")) == 5
    assert len(client.service.events._events) < 1000  # nothing feeds on itself
