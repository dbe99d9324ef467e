"""Clients of `GET /tasks/{id}?wait_s=`, each waiting for a task of its own that never comes due.

python -m benchmarks.waiting_clients PORT COUNT

Enqueues the tasks, has every client send its request, prints a line and waits: a client that is
answered asks again. It ends when it is killed.
"""

import http.client
import json
import selectors
import socket
import sys

from taskqueue.http.server import descriptors

WAIT_S = 60
LATER_S = 86_400
AT_ONCE = 1_000
PIECE_BYTES = 65_536


def main(port: int, count: int) -> None:
    """Have `count` clients wait."""
    descriptors.raise_limit()
    with selectors.DefaultSelector() as selector:
        for task_id in _later(port, count):
            client = socket.create_connection(("127.0.0.1", port))
            request = f"GET /tasks/{task_id}?wait_s={WAIT_S} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            client.sendall(request.encode())
            selector.register(client, selectors.EVENT_READ, request.encode())
        print("open", flush=True)
        while True:
            for key, _ in selector.select():
                _ask_again(key.fileobj, key.data)


def _later(port: int, count: int) -> list[str]:
    """Enqueue tasks that are not due before tomorrow; return their ids."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    task_ids: list[str] = []
    while len(task_ids) < count:
        wanted = min(AT_ONCE, count - len(task_ids))
        tasks = [{"action": "no_op", "delay_s": LATER_S}] * wanted
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/tasks", json.dumps(tasks), headers)
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()
        task_ids += [task["id"] for task in json.loads(answer.read())["tasks"]]
    return task_ids


def _ask_again(client: object, request: bytes) -> None:
    """Read an answer and send the request once more."""
    assert isinstance(client, socket.socket)
    answer = client.recv(PIECE_BYTES)
    assert answer, "the service has hung up"
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    if answer.startswith(b"HTTP/1.1 200 "):  # else the rest of one
        client.sendall(request)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
