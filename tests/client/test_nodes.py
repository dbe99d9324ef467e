"""Both clients list, drain and resume the node of a real service."""

import asyncio

import pytest

from taskqueue import AsyncClient, CallRefused, Client
from taskqueue.testing.process import ServiceProcess


def the_program(url: str) -> None:
    with Client(url) as queue:
        [node] = queue.nodes()
        assert (node.name, node.state, node.address) == ("local", "serving", url)

        queue.drain_node(node.name)
        [draining] = queue.nodes()
        assert draining.draining_since is not None
        queue.resume_node(node.name)
        with pytest.raises(CallRefused, match="no such node"):
            queue.drain_node("nowhere")


async def test_a_program_with_threads_drains_a_node(service: ServiceProcess) -> None:
    await asyncio.to_thread(the_program, service.url)


async def test_a_program_on_asyncio_drains_a_node(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        await queue.drain_node("local")
        await service.wait_for("node_draining")
        task = await queue.enqueue("add", left=1, right=2)
        [draining] = await queue.nodes()

        await queue.resume_node("local")
        await task.result(timeout_s=20)

        [serving] = await queue.nodes()
        assert (draining.state, serving.state) == ("draining", "serving")
        with pytest.raises(CallRefused, match="no such node"):
            await queue.resume_node("nowhere")
