"""Mailboxes: order, suspension, closing against putting."""

import asyncio
import threading

import pytest

from taskqueue.runtime import Host
from taskqueue.runtime.mailbox import Mail, Mailbox, SystemMail


def letters(mailbox: Mailbox) -> list[object]:
    """Take out everything."""
    taken = []
    while (mail := mailbox.take()) is not None:
        taken.append(mail.message)
    return taken


async def test_ordinary_messages_keep_their_order() -> None:
    mailbox = Mailbox(Host.adopt())

    for letter in "abc":
        mailbox.put(Mail(letter))

    assert len(mailbox) == 3
    assert letters(mailbox) == ["a", "b", "c"]
    assert mailbox.empty()


async def test_system_messages_keep_their_place() -> None:
    mailbox = Mailbox(Host.adopt())

    mailbox.put(Mail("ordinary"))
    mailbox.put(SystemMail("system"))
    mailbox.put(Mail("ordinary 2"))

    assert letters(mailbox) == ["ordinary", "system", "ordinary 2"]


async def test_suspended_it_gives_out_system_messages_only() -> None:
    mailbox = Mailbox(Host.adopt())

    mailbox.suspend()
    mailbox.put(Mail("ordinary 1"))
    mailbox.put(SystemMail("system"))
    mailbox.put(Mail("ordinary 2"))
    assert letters(mailbox) == ["system"]
    assert len(mailbox) == 2
    mailbox.put(Mail("ordinary 3"))
    mailbox.resume()

    assert letters(mailbox) == ["ordinary 1", "ordinary 2", "ordinary 3"]


async def test_the_actor_is_woken_by_either_kind() -> None:
    mailbox = Mailbox(Host.adopt())

    for kind in (Mail, SystemMail):
        waiter = mailbox.waiter()
        assert not waiter.done()
        mailbox.put(kind("x"))
        await asyncio.wait_for(waiter, 5)
        assert letters(mailbox) == ["x"]


async def test_a_suspended_actor_waits_again_after_an_ordinary_message() -> None:
    mailbox = Mailbox(Host.adopt())
    mailbox.suspend()
    mailbox.put(Mail("ordinary"))

    assert mailbox.take() is None
    waiter = mailbox.waiter()

    assert not waiter.done()
    mailbox.put(SystemMail("system"))
    await asyncio.wait_for(waiter, 5)


async def test_who_begins_to_wait_with_something_there_does_not_wait() -> None:
    mailbox = Mailbox(Host.adopt())
    mailbox.put(Mail("x"))

    assert mailbox.waiter().done()


async def test_discard_takes_out_what_is_unwanted_and_keeps_the_order() -> None:
    mailbox = Mailbox(Host.adopt())
    for number in range(6):
        mailbox.put(Mail(number))

    mailbox.discard(lambda number: number % 2 == 1)

    assert letters(mailbox) == [0, 2, 4]


async def test_closing_refuses_what_waits_and_what_comes() -> None:
    mailbox = Mailbox(Host.adopt())
    refused: list[object] = []
    mailbox.suspend()
    mailbox.put(Mail("held back"))
    assert mailbox.take() is None
    mailbox.put(Mail("waits"))

    mailbox.close(lambda mail: refused.append(mail.message))
    mailbox.put(Mail("comes"))
    mailbox.put(SystemMail("comes as well"))

    assert refused == ["held back", "waits", "comes", "comes as well"]
    assert mailbox.empty()


async def test_a_message_is_never_compared() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = None  # type: ignore[assignment]

    mailbox, odd = Mailbox(Host.adopt()), [Odd(), Odd()]
    for each in odd:
        mailbox.put(Mail(each))

    mailbox.discard(lambda message: message is odd[1])
    mailbox.close(lambda mail: None)

    assert mailbox.empty()


async def test_pykka_s_blocking_read_is_refused() -> None:
    with pytest.raises(RuntimeError):
        Mailbox(Host.adopt()).get()


async def test_nothing_is_lost_or_doubled_when_putting_races_closing() -> None:
    for _ in range(100):
        mailbox = Mailbox(Host.adopt())
        seen: list[object] = []
        start = threading.Barrier(4)

        def put(sender: int, mailbox: Mailbox = mailbox, start: threading.Barrier = start) -> None:
            start.wait(5)
            for number in range(100):
                mailbox.put(Mail((sender, number)))

        senders = [threading.Thread(target=put, args=(sender,)) for sender in range(3)]
        for sender in senders:
            sender.start()
        start.wait(5)
        seen += letters(mailbox)
        mailbox.close(lambda mail, seen=seen: seen.append(mail.message))
        for sender in senders:
            sender.join(5)

        assert len(seen) == len(set(seen)) == 300


async def test_an_actor_that_waits_misses_no_message_of_another_thread() -> None:
    mailbox = Mailbox(Host.adopt())
    count, taken = 3000, []

    def put() -> None:
        for number in range(count):
            mailbox.put(Mail(number))

    sender = threading.Thread(target=put)
    sender.start()
    async with asyncio.timeout(20):
        while len(taken) < count:
            mail = mailbox.take()
            if mail is None:
                await mailbox.waiter()
            else:
                taken.append(mail.message)
    sender.join(5)

    assert taken == list(range(count))
