"""A Flask application with three tasks, which the service runs in another process.

taskqueue --app examples.flask_app:jobs
TASKQUEUE_URL=http://127.0.0.1:8080 flask --app examples.flask_app run
"""

from flask import Flask, request

from taskqueue import App, Client, Context

jobs = App()
web = Flask(__name__)


@jobs.task("resize", executor="process", timeout_s=60)
def resize(ctx: Context, url: str, width: int = 800) -> dict[str, str]:
    return {"thumbnail": f"{url}?width={width}"}


@jobs.task("mail", max_attempts=10)
async def mail(ctx: Context, to: str, subject: str) -> None:
    ctx.log.info("mail_sent", to=to, subject=subject)


@jobs.task("report")
def report(ctx: Context, to: str) -> int:
    ctx.progress({"pages": 3})
    ctx.enqueue(mail, to=to, subject="Your report")  # together with the result
    return 3


@web.post("/images")
def add_image() -> dict[str, str]:
    return {"id": resize.enqueue_sync(**request.get_json())}


@web.post("/reports")
def order_report() -> dict[str, str]:
    return {"id": report.enqueue_sync(**request.get_json())}


@web.get("/tasks/<task_id>")
def show(task_id: str) -> dict[str, object]:
    task = Client().task(task_id).info()
    return {"status": task.status, "progress": task.progress, "result": task.result}
