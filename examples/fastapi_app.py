"""A FastAPI application with three tasks. It starts, supervises and stops the service itself.

uvicorn examples.fastapi_app:web
"""

from fastapi import FastAPI, Request

from taskqueue import App, Context, queue_lifespan

jobs = App()
web = FastAPI(lifespan=queue_lifespan(jobs))


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
async def add_image(image: dict[str, str | int]) -> dict[str, str]:
    return {"id": await resize.enqueue(**image)}


@web.post("/reports")
async def order_report(to: dict[str, str]) -> dict[str, str]:
    return {"id": await report.enqueue(**to)}


@web.get("/tasks/{task_id}")
async def show(task_id: str, request: Request) -> dict[str, object]:
    task = await request.state.queue.task(task_id).info()
    return {"status": task.status, "progress": task.progress, "result": task.result}
