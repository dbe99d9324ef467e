"""`taskqueue groups`, from outside."""

from tests.cli.conftest import Command, Done


async def test_a_group_is_closed_and_waited_for_and_something_follows(run: Command) -> None:
    for url in ("a.png", "b.png"):
        await run("enqueue", "resize", f"url={url}", "--group", "import")

    closed = await run("groups", "close", "import", "--then", "resize", "url=c.png")
    ended = await run("groups", "wait", "import", "--timeout-s", "20", "--json")

    assert closed == Done(0, "closed import", "")
    assert (ended.code, ended.json["tasks"]["completed"]) == (0, 2)
    followed = await run("tasks", "wait", ended.json["then"]["task_id"], "--timeout-s", "20")
    assert followed.json == {"thumbnail": "c.png?width=800"}
    listed = (await run("groups", "list", "--ended")).out.splitlines()
    assert [line.split()[:4] for line in listed] == [
        ["group", "state", "done", "total"],
        ["import", "ended", "100%", "2"],
    ]
    tasks = (await run("tasks", "list", "--group", "import", "--json")).json
    assert {task["group"] for task in tasks} == {"import"}


async def test_dead_members_end_the_wait_with_1_and_are_redriven(run: Command) -> None:
    await run("enqueue", "refuse", "why=no", "--group", "import")
    await run("groups", "close", "import")

    waited = await run("groups", "wait", "import", "--timeout-s", "20")
    redriven = await run("groups", "redrive", "import")
    cancelled = await run("groups", "cancel", "import", "--json")
    late = await run("enqueue", "resize", "url=a.png", "--group", "import")
    lost = await run("groups", "show", "lost")

    assert (waited.code, waited.err) == (1, "taskqueue: some of its tasks are dead or cancelled")
    assert redriven == Done(0, "redriven 1 task", "")
    assert cancelled.code == 0
    assert (late.code, late.err[:36]) == (4, "taskqueue: closed group: 'import'; e")
    assert lost == Done(4, "", "taskqueue: no group 'lost'")
