"""`taskqueue schedules`, against a real service."""

from tests.cli.conftest import Command


async def test_schedules_are_created_shown_edited_and_deleted(run: Command) -> None:
    created = await run(
        *("schedules", "create", "resize", "url={slot}.png", "--name", "often"),
        *("--every", "1h30m", "--missed", "skip", "--within", "5m", "--overlap", "queue"),
    )
    assert created.code == 0, created
    edited = (await run("schedules", "edit", "often", "--cron", "*/5 * * * *", "--json")).json
    listed = (await run("schedules", "list")).out.splitlines()
    deleted = await run("schedules", "delete", "often")

    assert "when     Every 1 hour 30 minutes" in created.out
    assert "within   300 s" in created.out
    assert created.out.count("next ") == 5
    assert (edited["every_s"], edited["cron"], edited["overlap"]) == (None, "*/5 * * * *", "queue")
    assert [line.split()[:2] for line in listed] == [
        ["name", "action"],
        ["nightly", "resize"],
        ["often", "resize"],
    ]
    assert deleted.out == "deleted often"
    assert (await run("schedules", "show", "often")).code == 4


async def test_a_schedule_of_the_code_is_paused_run_and_resumed(run: Command) -> None:
    paused = await run("schedules", "pause", "nightly", "--reason", "the printer is broken")
    task_id = (await run("schedules", "run", "nightly")).out
    await run("tasks", "wait", task_id, "--timeout-s", "20")
    shown = (await run("schedules", "show", "nightly")).out.splitlines()
    resumed = await run("schedules", "resume", "nightly", "--json")
    refused = await run("schedules", "delete", "nightly")

    assert paused.out == "paused nightly"
    assert "paused    the printer is broken" in shown
    assert "declared  in code" in shown
    assert shown[-1].endswith(f"fired  by hand  task {task_id} completed")
    assert resumed.json == [{"name": "nightly", "resumed": True}]
    assert refused.code == 4
    assert "Change it in the code." in refused.err


async def test_what_does_not_fit_is_said(run: Command) -> None:
    wrong = await run("schedules", "create", "resize", "--cron", "* *")
    span = await run("schedules", "create", "resize", "--every", "soon")

    assert wrong.code == 4
    assert "cron: Wrong number of fields in '* *'" in wrong.err
    assert span.code == 2
    assert "expected a duration between" in span.err
