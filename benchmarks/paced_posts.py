"""A client that enqueues tasks at a steady pace.

python -m benchmarks.paced_posts PORT QUEUE PER_SECOND

Sends a list every 50 ms and catches up when it is late. The data of each list has a word of its
own, `batch-17`, so that a search finds few of the tasks. It ends when it is killed.
"""

import http.client
import itertools
import json
import sys
import time

EACH_S = 0.05


def main(port: int, queue: str, per_second: int) -> None:
    """Enqueue until the service is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began_at, size = time.monotonic(), max(1, round(per_second * EACH_S))
    for number in itertools.count():
        time.sleep(max(0.0, began_at + number * EACH_S - time.monotonic()))
        tasks = [
            {"action": "no_op", "queue": queue, "data": {"text": f"batch-{number}", "number": n}}
            for n in range(size)
        ]
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/tasks", json.dumps(tasks), headers)
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()
        answer.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
