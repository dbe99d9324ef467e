"""Posts large bodies from many clients, which give up and come again: python -m tests.system.flood.

Arguments: port, clients, bytes of a body. It ends when its standard input does.
"""

import asyncio
import contextlib
import sys

PATIENCE_S = 2.0


async def post(port: int, request: bytes) -> None:
    """Post one body, and wait for the answer for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()


async def keep_posting(port: int, request: bytes) -> None:
    """Post one after the other, whatever comes of it."""
    while True:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            await post(port, request)


async def main(port: int, clients: int, size: int) -> None:
    """Post until nobody is interested any more."""
    body = b'{"action": "take", "data": {"text": "%s"}}' % (b"x" * size)
    head = (
        "POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    posting = [
        asyncio.create_task(keep_posting(port, head.encode() + body)) for _ in range(clients)
    ]
    await asyncio.to_thread(sys.stdin.buffer.read)
    for each in posting:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
