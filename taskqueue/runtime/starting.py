"""The start handshake between an actor and its starter. Source: OTP `proc_lib`."""

import asyncio
from functools import partial
from typing import Any

import pykka

from taskqueue.runtime.cell import Cell
from taskqueue.runtime.exits import KILLED, Crash
from taskqueue.runtime.host import Host
from taskqueue.runtime.lifecycle import Lifecycle, end_without_loop
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.world import World


async def launch(
    system: World,
    actor_class: type[Lifecycle],
    parent: Cell | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> ActorRef:
    """Start an actor, linked to `parent` if there is one; return when `on_start` is done.

    A cancelled start kills the new actor, to which no other actor has a reference.
    """
    cell = begin(system, actor_class, parent, args, kwargs)
    try:
        return await cell.started
    except asyncio.CancelledError:
        if parent is not None:
            parent.unlink(cell)
        cell.kill()
        await cell.ended()
        raise


def begin(
    system: World,
    actor_class: type[Lifecycle],
    parent: Cell | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Cell:
    """Make an actor and schedule its start; `Cell.started` is the outcome."""
    cell = Cell(
        system, _host_for(system, actor_class, parent), parent, trap_exit=actor_class.trap_exit
    )
    if parent is not None and parent.begun is not None:
        parent.begun.append(cell)
    cell.host.enter(cell, partial(end_without_loop, cell))
    actor = actor_class.__new__(actor_class)
    actor._embody(cell)  # noqa: SLF001 - so that `__init__` finds all of an actor
    try:
        actor_class.__init__(actor, *args, **kwargs)
        actor._name_cell()  # noqa: SLF001
        if actor.registered_name is not None:
            system.names.register(actor.registered_name, cell.ref)
    except BaseException as error:  # noqa: BLE001 - whatever fails here is a failed start
        cell.finish(Crash(error))
        return cell
    pykka.ActorRegistry.register(cell.ref)
    system.add(cell.ref)
    if parent is not None and parent.link(cell) and parent.sealed:
        cell.exit(KILLED, parent)
    cell.host.call(partial(_run, actor))
    return cell


def _host_for(system: World, actor_class: type[Lifecycle], parent: Cell | None) -> Host:
    if not actor_class.dedicated_host:
        return system.main if parent is None else parent.host
    host = Host.launch(actor_class.__name__, dedicated=True)
    system.add_host(host)
    return host


def _run(actor: Lifecycle) -> None:
    """Start the actor's task, on its host."""
    cell = actor._cell  # noqa: SLF001
    task = cell.host.create_task(actor._life(), name=cell.label)  # noqa: SLF001
    # A loop that is torn down may cancel the task before its first step: it never runs then.
    task.add_done_callback(lambda _: cell.finish(cell.pending_exit or KILLED))
