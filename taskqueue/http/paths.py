"""The parameters of paths, by name."""

from taskqueue.http.queries import Parameter, Parameters
from taskqueue.http.tasks.answers import TaskId
from taskqueue.http.tasks.queries import require_task_id

PATH: Parameters = {
    "id": Parameter(require_task_id, "the id of a task", TaskId),
    "name": Parameter(str, "the name of a queue"),
    "file": Parameter(str, "the name of a file"),
}
"""What reads each of them raises a `Problem` if it names nothing."""
