"""Report exceptions where they are raised, and dead tasks to a webhook.

export ALERT_URL=https://alerts.example.org/
python -m taskqueue.supervisor --app examples.report_errors:app

curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
     -d '{"action": "divide", "data": {"dividend": 1, "divisor": 0}}'
"""

import os

import aiohttp

from taskqueue import App, CallNext, Cancel, Context, Reject, Retry, Snooze, TaskEvent

app = App()


@app.middleware
async def report_exceptions(ctx: Context, call_next: CallNext) -> object:
    """Do here what an error tracker does, such as `sentry_sdk.capture_exception(error)`."""
    try:
        return await call_next()
    except (Retry, Snooze, Reject, Cancel):
        raise  # these are no errors
    except Exception as error:
        ctx.log.warning("exception_reported", kind=type(error).__name__)
        raise


@app.on_dead
async def alert(event: TaskEvent) -> None:
    """Tell the people on call. Nothing waits for it."""
    message = {"task": event.task.id, "action": event.task.action, "reason": event.error}
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        await http.post(os.environ["ALERT_URL"], json=message)


@app.task("divide", max_attempts=1)
def divide(dividend: int, divisor: int) -> float:
    """Divide in a thread. Middleware and hooks are the same for every executor."""
    return dividend / divisor
