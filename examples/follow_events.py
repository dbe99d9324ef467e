"""Enqueue a task and print what happens to it, as the service says it.

taskqueue --app examples.tutorial:app
python -m examples.follow_events http://127.0.0.1:8080 "a few words"

Without a text, print what goes wrong in the whole service, until it is interrupted.
"""

import sys
from datetime import UTC, datetime

from taskqueue import Client, ServiceEvent

TROUBLE = ("task_dead_lettered", "child_restarted", "storage_degraded")


def line_of(event: ServiceEvent) -> str:
    """Return an event as a line of text."""
    at = "" if event.at is None else datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S ")
    subject = event.task_id or event.data.get("child_id", "")
    reason = event.data.get("reason") or event.data.get("outcome") or ""
    return f"{at}{event.name} {subject} {reason}".rstrip()


def main(url: str, text: str = "") -> None:
    """Follow one task of the service at `url`, or what goes wrong in all of it."""
    with Client(url) as queue:
        events = (
            queue.enqueue("uppercase", text=text).events() if text else queue.events(event=TROUBLE)
        )
        for event in events:
            print(line_of(event), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
