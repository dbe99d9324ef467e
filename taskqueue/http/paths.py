"""The parameters of paths, by name."""

from typing import Annotated

from msgspec import Meta

from taskqueue.http.documentation.page import FILES
from taskqueue.http.queries import Parameter, Parameters
from taskqueue.http.tasks.answers import TaskId
from taskqueue.http.tasks.ids import require_task_id
from taskqueue.rules.names import NAME_SCHEMA

PATH: Parameters = {
    "id": Parameter(require_task_id, "the id of a task", TaskId),
    "name": Parameter(str, "the name of a queue, a limit or a schedule"),
    "group": Parameter(
        str, "the name of a group", Annotated[str, Meta(extra_json_schema=NAME_SCHEMA)]
    ),
    "file": Parameter(
        str, "the name of a file", Annotated[str, Meta(extra_json_schema={"enum": [*FILES]})]
    ),
    "asset": Parameter(str, "the name of a file of the page"),
    "folder": Parameter(str, "the folder of a file"),
    "version": Parameter(str, "the version of the page that the file is of"),
}
"""What reads each of them raises a `Problem` if it names nothing."""
