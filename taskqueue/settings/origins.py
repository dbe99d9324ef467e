"""Where the value of a setting comes from."""

from typing import Literal, TypeAlias

from taskqueue.structs import Struct

Source: TypeAlias = Literal["flag", "variable", "file", "program", "default"]


class Origin(Struct):
    """A source, and what it calls the setting: `--port`, or `TASKQUEUE_PORT`.

    `program` is the code that embeds the service.
    """

    source: Source
    name: str
