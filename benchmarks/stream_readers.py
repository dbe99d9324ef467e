"""Clients of `GET /events` that read as fast as they can and drop what they read.

python -m benchmarks.stream_readers PORT COUNT

Prints a line when all streams are open, and ends with the service.
"""

import selectors
import socket
import sys

PIECE_BYTES = 65_536

_REQUEST = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def main(port: int, count: int) -> None:
    """Open `count` streams and read them until one is closed."""
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            stream = socket.create_connection(("127.0.0.1", port))
            stream.sendall(_REQUEST)
            assert b" 200 " in stream.recv(PIECE_BYTES)
            selector.register(stream, selectors.EVENT_READ)
        print("open", flush=True)
        while all(_read(key.fileobj) for key, _ in selector.select()):
            pass


def _read(stream: object) -> bytes:
    assert isinstance(stream, socket.socket)
    return stream.recv(PIECE_BYTES)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
