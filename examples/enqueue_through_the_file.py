"""A script that enqueues for a service on the same machine, without HTTP.

taskqueue --app examples.tutorial:app --database data/tasks.db
python -m examples.enqueue_through_the_file sqlite:///data/tasks.db "a few words"

Prints what the handler has returned.
"""

import sys

from taskqueue import Client


def main(url: str, text: str) -> None:
    """Have the service that runs on the file at `url` shout a text."""
    with Client(url) as queue:
        task = queue.enqueue("uppercase", text=text)
        print(task.result(timeout_s=30))


if __name__ == "__main__":
    main(*sys.argv[1:])
