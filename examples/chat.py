"""A chat room made of supervised actors: names, monitors, dynamic children, timers, and a crash.

python -m examples.chat

    root          supervisor, one_for_one
    ├─ room       one actor: who is here, and what was said
    ├─ people     simple_one_for_one: one actor for each person
    └─ lookups    dynamic: tasks that run once

docs/actors.md walks through it.
"""

import asyncio
import contextlib
from functools import partial

import structlog

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    Actor,
    ActorRef,
    Deferred,
    Down,
    Message,
    Request,
    System,
    Timer,
    ask,
    is_orderly,
    receives,
    send_after,
)
from taskqueue.supervision import (
    ChildSpec,
    ChildType,
    DynamicSupervisor,
    SimpleOneForOne,
    Supervisor,
    start_instance,
    start_one_off,
    terminate_child,
)


class Join(Request[int]):
    """Enter the room; the answer is how many are there."""

    name: str
    person: ActorRef


class Say(Request[None]):
    """Say something to everyone in the room."""

    name: str
    text: str


class Silence(Request[None]):
    """Wait until someone yawns."""


class Type(Request[None]):
    """What a person types; the answer comes when the room has it."""

    text: str


class Yawn(Message):
    """The person has typed nothing for a while."""

    name: str


class Room(Actor):
    """Knows who is here, by a monitor for each person, and prints what is said."""

    registered_name = "room"

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[ActorRef, str] = {}
        self._is_silent = False
        self._waiting: list[Deferred] = []

    @receives(Join)
    def on_join(self, message: Join) -> int:
        self.monitor(message.person)
        self._names[message.person] = message.name
        print(f"* {message.name} joins")
        return len(self._names)

    @receives(Say)
    def on_say(self, message: Say) -> None:
        self._is_silent = False
        print(f"<{message.name}> {message.text}")

    @receives(Yawn)
    def on_yawn(self, message: Yawn) -> None:
        self._is_silent = True
        print(f"* {message.name} yawns")
        while self._waiting:
            self._waiting.pop().reply()

    @receives(Silence)
    def on_silence(self, _: Silence) -> None:
        if not self._is_silent:
            self._waiting.append(self.defer())  # answered later; other messages go on

    @receives(Down)
    def on_down(self, message: Down) -> None:
        name = self._names.pop(message.ref)
        print(f"* {name} leaves" + ("" if is_orderly(message.reason) else f": {message.reason}"))


class Person(Actor):
    """One person's end of the room. It holds a name, so it finds the room after a restart too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.label = name
        self._room = self.address("room")
        self._timer: Timer | None = None

    async def on_start(self) -> None:
        await ask(self._room, Join(name=str(self.label), person=self.ref))

    @receives(Type)
    async def on_type(self, message: Type) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if message.text == "/crash":
            raise RuntimeError("cable pulled")
        await ask(self._room, Say(name=str(self.label), text=message.text))
        self._timer = send_after(self._room, Yawn(name=str(self.label)), delay_s=0.5)


def tree() -> tuple[ChildSpec, ...]:
    """Return the root's children, in start order."""
    person = ChildSpec(id="person", start=Person.start_link)
    return (
        ChildSpec(id="room", start=Room.start_link),
        ChildSpec(
            id="people",
            start=partial(SimpleOneForOne.start_link, "people", [person]),
            type=ChildType.SUPERVISOR,
        ),
        ChildSpec(
            id="lookups",
            start=partial(DynamicSupervisor.start_link, "lookups"),
            type=ChildType.SUPERVISOR,
        ),
    )


async def look_up(word: str) -> str:
    """Return what a slow dictionary says."""
    await asyncio.sleep(0.01)
    return f"{word}: {len(word)} letters"


async def chat() -> None:
    """Play one scene."""
    async with System() as system:
        await system.spawn(Supervisor, "root", tree())
        people, room = system.address("people"), system.address("room")
        anna = await start_instance(people, "anna")
        ben = await start_instance(people, "ben")
        assert isinstance(anna, ActorRef)
        assert isinstance(ben, ActorRef)

        await ask(anna, Type(text="hello ben"))
        with contextlib.suppress(ActorUnavailable):  # ben ends before he can answer
            await ask(ben, Type(text="/crash"))
        answer = await start_one_off(system.address("lookups"), lambda: look_up("supervisor"))
        await ask(anna, Type(text=await answer.result))

        await ask(room, Silence())  # until someone yawns
        await terminate_child(people, anna)
        await ask(room, Say(name="room", text="good night"))


if __name__ == "__main__":
    # Crashes are reported in the log; the scene shows them in the room.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    asyncio.run(chat())
