"""What the data of a task begins with: enough of it for a list."""

import msgspec

PAYLOAD_HEAD = "payload_head"
MAX_HEAD = 200  # characters of it
HEAD_READ = 1_024  # characters of a payload, the name of its action among them


def data_head(action: str, head: str | None) -> str | None:
    """Return what the data in a payload begins with, of what the payload begins with.

    >>> data_head("resize", '{"action":"resize","data":{"url": "a.png"}}')
    '{"url": "a.png"}'
    """
    if head is None:
        return None
    before = f'{{"action":{msgspec.json.encode(action).decode()},"data":'
    data = head.removeprefix(before)
    return data[:MAX_HEAD] if len(head) == HEAD_READ else data.removesuffix("}")[:MAX_HEAD]
