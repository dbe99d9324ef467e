"""Commands that call a running service, from outside."""

import asyncio
from pathlib import Path

from taskqueue.testing.process import ServiceProcess
from tests.cli.conftest import Command, Done, taskqueue


async def ids(run: Command, *filters: str) -> set[str]:
    return {task["id"] for task in (await run("tasks", "list", "--json", *filters)).json}


# --- enqueue ------------------------------------------------------------------------------------


async def test_data_may_be_pairs_or_an_object_or_on_standard_input(run: Command) -> None:
    text = '{"url": "a.png", "width": 400}'

    for words, stdin in ((("url=a.png", "width=400"), ""), ((text,), ""), (("-",), text)):
        done = await run("enqueue", "resize", *words, "--wait", "20", stdin=stdin)

        assert done == Done(0, '{"thumbnail":"a.png?width=400"}', "")


async def test_the_options_of_an_enqueue_reach_the_task(run: Command) -> None:
    options = ("--priority", "3", "--max-attempts", "7", "--run-at", "2100-01-01T00:00:00Z")

    first = await run("enqueue", "resize", "url=a.png", "--unique-key", "k", *options)
    again = await run("enqueue", "resize", "url=a.png", "--unique-key", "k", *options)
    task = (await run("tasks", "show", first.out, "--json")).json

    assert first == again
    assert (task["priority"], task["max_attempts"], task["unique_key"]) == (3, 7, "k")
    assert (task["run_at"], task["status"]) == (4_102_444_800.0, "scheduled")


async def test_a_repeat_under_a_key_prints_the_id_of_its_holder_and_what_became_of_it(
    run: Command,
) -> None:
    keyed = ("url=a.png", "--unique-by", "url", "--unique-until", "3600", "--delay-s", "60")

    first = await run("enqueue", "resize", *keyed)
    again = await run("enqueue", "resize", *keyed, "width=4", "--on-repeat", "replace")
    as_json = await run("enqueue", "resize", *keyed, "width=5", "--json")
    refused = await run("enqueue", "resize", *keyed, "--on-repeat", "reject")
    shown = await run("tasks", "show", first.out)

    assert again == Done(0, first.out, "This task held the key; it was replaced.")
    assert as_json.json == {"id": first.out, "acceptance": "kept"}
    assert refused.code != 0
    assert first.out in refused.err
    assert 'url="a.png" (action; held until 1 h after its enqueue)' in shown.out


async def test_a_task_that_expires_is_shown_with_when_and_ends_as_cancelled(run: Command) -> None:
    await run("queues", "pause", "default")

    late = await run("enqueue", "resize", "url=a.png", "--expires-s", "3600")
    gone = await run("enqueue", "resize", "url=a.png", "--expires-at", "1", "--wait", "20")
    shown = await run("tasks", "show", late.out)

    assert gone.err.endswith("is cancelled: expired before it started")
    assert "; expires in " in shown.out
    assert "\nexpires" in shown.out


async def test_the_wait_for_a_dead_task_ends_with_1_and_its_reason(run: Command) -> None:
    done = await run("enqueue", "refuse", "why=not today", "--wait", "20")
    [dead] = (await run("dead", "list", "--json")).json

    assert done == Done(1, "", f"taskqueue: task {dead['id']} is dead: not today")


async def test_a_task_that_failed_is_shown_with_its_next_attempts(
    run: Command, service: ServiceProcess
) -> None:
    task_id = (await run("enqueue", "charge")).out
    await service.wait_for("task_requeued", task_id=task_id)

    done = await run("tasks", "show", task_id)

    failed, *following = done.out.splitlines()[-4:]
    assert failed.endswith("failed  ConnectionError: gone")
    assert [line[:14] for line in following] == [f"attempt {n}  due" for n in (2, 3, 4)]


async def test_what_a_task_has_logged_is_printed_without_control_characters(run: Command) -> None:
    await run("enqueue", "refuse", "why=not \x1b[31m today", "--wait", "20")
    [dead] = (await run("dead", "list", "--json")).json

    done = await run("tasks", "logs", dead["id"])
    as_json = (await run("tasks", "logs", dead["id"], "--json")).json

    head, line = done.out.splitlines()
    assert (head[:9], head[-8:]) == ("attempt 1", "rejected")
    assert line.endswith("info     refuses why='not \\x1b[31m today'")
    assert as_json[0]["lines"][0]["message"] == "refuses why='not \\x1b[31m today'"


async def test_a_wait_that_is_too_short_ends_with_1_and_names_the_task(run: Command) -> None:
    task_id = (await run("enqueue", "nap", "seconds=600")).out

    done = await run("tasks", "wait", task_id, "--timeout-s", "0.1")

    assert done == Done(1, "", f"taskqueue: task {task_id} has not ended within 0.1 s")


# --- tasks --------------------------------------------------------------------------------------


async def test_a_table_in_a_pipe_is_neither_cut_nor_coloured(run: Command) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out

    header, row = (await run("tasks", "list", COLUMNS="80")).out.splitlines()

    assert header.split() == ["id", "status", "action", "queue", "tries", "age"]
    assert row.split()[:5] == [task_id, "scheduled", "resize", "default", "0/5"]
    assert (await run("tasks", "list", "--queue", "none-such")).out.splitlines()[1:] == []


async def test_a_task_is_shown_with_its_attempts_and_without_control_characters(
    run: Command,
) -> None:
    await run("enqueue", "refuse", 'why="\\u001b[31mred\\n"', "--wait", "20")
    [dead] = (await run("dead", "list", "--json")).json

    shown = (await run("tasks", "show", dead["id"])).out

    assert "\nreason       [31mred" in shown
    assert "attempt 1  " in shown
    assert "\x1b" not in shown


async def test_a_task_is_shown_with_its_parent_which_finds_it(
    run: Command, service: ServiceProcess
) -> None:
    parent = (await run("enqueue", "order")).out
    child = (await run("tasks", "wait", parent, "--timeout-s", "20")).json

    shown = (await run("tasks", "show", child)).out
    found = (await run("tasks", "list", "--parent", parent, "--json")).json

    assert ["parent", parent] in [line.split() for line in shown.splitlines()]
    assert [(task["id"], task["parent"]) for task in found] == [(child, parent)]


async def test_an_edit_replaces_data_and_options(run: Command) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out

    edited = await run("tasks", "edit", task_id, "url=b.png", "--priority", "9")
    nothing = await run("tasks", "edit", task_id)
    task = (await run("tasks", "show", task_id, "--json")).json

    assert (edited.code, edited.out, nothing.code) == (0, f"edited {task_id}", 2)
    assert (task["payload"]["data"], task["priority"]) == ({"url": "b.png"}, 9)


async def test_ids_that_can_be_changed_are_even_if_others_cannot(run: Command) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "600")).out

    done = await run("tasks", "cancel", "none-such", task_id, "--reason", "why not")
    task = (await run("tasks", "show", task_id, "--json")).json

    assert done == Done(4, f"{task_id}  cancelled", "taskqueue: none-such: no task none-such")
    assert (task["status"], task["reason"]) == ("cancelled", "why not")


async def test_tasks_that_match_are_changed_with_yes_and_only_counted_without(
    run: Command,
) -> None:
    later = ("--delay-s", "600")
    tasks = [
        (await run("enqueue", "resize", f"url={n}.png", "--priority", str(n), *later)).out
        for n in range(3)
    ]
    other = (await run("enqueue", "nap", "seconds=1", *later)).out
    meant = ("tasks", "cancel", "--action", "resize")

    asked = await run(*meant)
    before = await ids(run, "--status", "scheduled")
    done = await run(*meant, "--yes", "--json")
    again = await run(*meant, "--yes")
    deleted = await run("tasks", "delete", "--status", "cancelled", "--yes")

    assert (asked.code, asked.out) == (2, "")
    assert asked.err == (
        "taskqueue: Cancel 3 tasks? Nothing was changed; --yes does it without asking"
    )
    assert before == {*tasks, other}
    assert done.json == {"matched": 3, "done": 3}
    assert (again.out, deleted.out) == ("cancelled 0 of 0 tasks", "deleted 3 of 3 tasks")
    assert await ids(run) == {other}


async def test_nothing_is_changed_unless_it_is_said_which_tasks(run: Command) -> None:
    for words in ((), ("some-id", "--all"), ("--all", "--action", "resize")):
        done = await run("tasks", "delete", *words, "--yes")

        assert done == Done(2, "", "taskqueue: say which tasks: give ids, filters, or --all")


async def test_dead_tasks_are_redriven_and_deleted_and_no_others(run: Command) -> None:
    await run("enqueue", "resize", "url=a.png", "--wait", "20")
    await run("enqueue", "refuse", "why=not today", "--wait", "20")
    [dead] = (await run("dead", "list", "--json")).json

    table = (await run("dead", "list")).out.splitlines()
    redriven = await run("dead", "redrive", "--all", "--yes")
    await run("tasks", "wait", dead["id"], "--timeout-s", "20")
    task = (await run("tasks", "show", dead["id"], "--json")).json
    deleted = await run("dead", "delete", dead["id"])

    assert table[1].startswith(f"{dead['id']}  refuse  ")
    assert table[1].endswith("  not today")
    assert (redriven.out, len(task["attempts"])) == ("redriven 1 of 1 task", 2)
    assert deleted == Done(0, f"{dead['id']}  deleted", "")
    assert {task["status"] for task in (await run("tasks", "list", "--json")).json} == {"completed"}


async def test_dead_tasks_are_grouped_by_error_and_a_group_is_redriven(run: Command) -> None:
    for why in ("no order 17", "no order 18", "not today"):
        await run("enqueue", "refuse", f"why={why}", "--wait", "20")

    header, first, second = (await run("dead", "groups")).out.splitlines()
    as_json = (await run("dead", "groups", "--action", "refuse", "--limit", "1", "--json")).json
    counted = (await run("tasks", "count", "--error", "no order 99")).out.splitlines()
    redriven = await run("dead", "redrive", "--error", "no order 99", "--yes")

    assert header.split() == ["tasks", "action", "latest", "error"]
    assert first.split()[:2] == ["2", "refuse"]
    assert first.endswith("  no order …")
    assert second.endswith("  not today")
    assert [group["example"] for group in as_json] == ["no order 18"]
    assert "dead       2" in counted
    assert redriven.out == "redriven 2 of 2 tasks"


async def test_queues_are_listed_with_the_limits_that_hold_them_back(run: Command) -> None:
    for _ in range(2):
        await run("enqueue", "mail", "domain=a.example", "seconds=60")

    listed = await run("queues", "list")
    async with asyncio.timeout(20):
        while "wait" not in listed.out:
            listed = await run("queues", "list")

    assert listed.out.splitlines()[-1] == "default: 1 wait for limit smtp (1 running)"


# --- the service --------------------------------------------------------------------------------


async def test_a_limit_is_listed_shown_set_and_reset(run: Command, service: ServiceProcess) -> None:
    task_id = (await run("enqueue", "mail", "domain=a.example", "seconds=600")).out
    await service.wait_for("attempt_started", task_id=task_id)
    waiting = (await run("enqueue", "mail", "domain=a.example")).out

    listed = (await run("limits", "list")).out.splitlines()
    shown = (await run("limits", "show", "smtp")).out.splitlines()
    waits = (await run("tasks", "show", waiting, "--json")).json["waiting_for"]
    rate = ("--starts", "90", "--per-s", "60")
    changed = await run("limits", "set", "smtp", "--running", "2", *rate)
    reset = await run("limits", "reset", "smtp", "--json")

    assert [line.split() for line in listed] == [
        ["limit", "running", "waiting", "allows", "changed"],
        ["smtp", "1", "1", "1", "running", "-"],
    ]
    assert shown[0].split() == ["limit", "smtp"]
    assert shown[-1].split() == ["a.example", "1", "1", "-"]
    held_back = f"waits for a slot of `smtp:a.example` (1 of 1 running: {task_id})"
    assert waits == f"{held_back}; next in line"
    assert changed == Done(0, "set smtp: 2 running; 90 per 60 s, burst 1", "")
    assert reset.json == [{"limit": "smtp", "reset": True}]


async def test_starts_are_taken_until_the_rate_is_spent(run: Command) -> None:
    await run("limits", "set", "api", "--starts", "1", "--per-s", "3600", "--burst", "5")

    took = await run("limits", "take", "api", "--cost", "5", "--key", "acme")
    spent = await run("limits", "take", "api", "--key", "acme", "--timeout-s", "1")

    assert took == Done(0, "took 5 of api", "")
    assert (spent.code, spent.err[:38]) == (1, "taskqueue: limit 'api' allows this in ")


async def test_queues_are_paused_and_resumed(run: Command) -> None:
    paused = await run("queues", "pause", "default")
    waiting = (await run("enqueue", "resize", "url=a.png")).out
    [header, row, _] = (await run("queues", "list")).out.splitlines()
    resumed = await run("queues", "resume", "default", "--json")
    ended = await run("tasks", "wait", waiting, "--timeout-s", "20")

    assert paused == Done(0, "paused default", "")
    assert header.split()[:4] == ["queue", "state", "consumers", "queued"]
    assert row.split()[:4] == ["default", "paused", "2", "1"]
    assert resumed.json == [{"queue": "default", "paused": False}]
    assert ended.code == 0


async def test_what_runs_is_shown_with_its_line(run: Command, service: ServiceProcess) -> None:
    task_id = (await run("enqueue", "nap", "seconds=600")).out
    await service.wait_for("service_ready")

    async with asyncio.timeout(20):
        while len(lines := (await run("running")).out.splitlines()) < 2:
            pass
    [running] = (await run("running", "--json")).json

    assert lines[1].split()[:2] == [task_id, "nap"]
    assert "tests/cli/jobs.py:" in lines[1]
    assert running["line"]["function"] == "nap"


async def test_the_stack_of_what_runs_is_printed_innermost_last(
    run: Command, service: ServiceProcess
) -> None:
    task_id = (await run("enqueue", "nap", "seconds=600")).out
    await service.wait_for("attempt_started", task_id=task_id)

    first, *calls = (await run("tasks", "stack", task_id)).out.splitlines()
    told = (await run("tasks", "stack", task_id, "--json")).json

    assert first.startswith("attempt 1  runs for ")
    [call] = calls
    assert call.strip().startswith('File "tests/cli/jobs.py", line ')
    assert call.endswith(", in nap")
    assert [each["function"] for each in told["stack"]] == ["nap"]


async def test_a_task_that_does_not_run_has_no_stack_to_print(run: Command) -> None:
    task_id = (await run("enqueue", "nap", "seconds=1", "--delay-s", "600")).out

    done = await run("tasks", "stack", task_id)

    assert done.code != 0
    assert "It is scheduled." in done.err


async def test_what_was_done_is_shown_by_the_minute(run: Command) -> None:
    await run("enqueue", "resize", "url=a.png", "--wait", "20")

    header, *rows = (await run("activity")).out.splitlines()
    told = (await run("activity", "--minutes", "1", "--json")).json

    assert header.split()[:4] == ["minute", "enqueued", "completed", "failed"]
    cells = [row.split() for row in rows]
    assert [sum(int(row[column]) for row in cells) for column in (1, 2, 3)] == [1, 1, 0]
    assert told["bucket_s"] == 10.0
    assert told["restarts"] == []


async def test_the_tree_and_the_document_are_shown(run: Command) -> None:
    tree = (await run("tree")).out.splitlines()

    assert tree[0] == "root  running  incarnation 1"
    assert "└─ gateway  running  incarnation 1" in tree
    assert (await run("tree", "--json")).json["id"] == "root"
    assert (await run("openapi")).json["openapi"] == "3.1.0"


async def test_the_settings_are_shown_with_the_flag_that_gave_them(run: Command) -> None:
    header, *rows = (await run("settings")).out.splitlines()
    listed = {setting["name"]: setting for setting in (await run("settings", "--json")).json}

    assert header.split() == ["setting", "value", "default", "source"]
    assert ["app", "tests.cli.jobs:app", "-", "flag", "--app"] in [row.split() for row in rows]
    assert ["drain_s", "30s", "30s", "default"] in [row.split() for row in rows]
    assert len(rows) == len(listed)
    assert listed["app"]["given_as"] == "--app"


async def test_who_has_changed_what_is_listed_for_all_and_for_one_task(run: Command) -> None:
    task_id = (await run("enqueue", "resize", "url=a.png", "--delay-s", "3600")).out
    await run("tasks", "cancel", task_id)
    await run("queues", "pause", "default")

    header, *rows = (await run("audit", "--limit", "2")).out.splitlines()
    of_task = (await run("audit", "--task", task_id, "--json")).json

    assert header.split() == ["when", "who", "from", "what", "answer"]
    assert [row.split()[-3:] for row in rows] == [
        ["POST", "/queues/default/pause", "200"],
        ["POST", f"/tasks/{task_id}/cancel", "200"],
    ]
    assert [each["path"] for each in of_task] == [f"/tasks/{task_id}/cancel"]


# --- how commands end ---------------------------------------------------------------------------


async def test_a_service_that_cannot_be_reached_ends_a_command_with_3_and_one_line(
    tmp_path: Path,
) -> None:
    url = f"unix://{tmp_path}/none.sock"

    done = await taskqueue("tree", "--url", url, "--retry-s", "0")

    assert (done.code, done.out, len(done.err.splitlines())) == (3, "", 1)
    assert done.err.startswith(f"taskqueue: {url} is unavailable: ")
    assert done.err.endswith("is it running there? --url or TASKQUEUE_URL says where it is")


async def test_a_service_that_cannot_serve_now_is_not_called_unreachable(
    run: Command, tmp_path: Path
) -> None:
    (tmp_path / "data/tasks.db").rename(tmp_path / "data/elsewhere.db")

    done = await run("enqueue", "resize", "url=a.png", "--retry-s", "0")

    assert (done.code, done.out, len(done.err.splitlines())) == (3, "", 1)
    assert "is unavailable: failed to queue task (503): " in done.err
    assert "is it running there?" not in done.err


async def test_what_is_wrong_is_said_in_one_line_with_its_code(run: Command) -> None:
    for words, code, says in (
        (("enqueue", "resize"), 4, "taskqueue: data.url: required"),
        (("enqueue", "none-such"), 4, "taskqueue: action: "),
        (("tasks", "show", "none-such"), 4, "taskqueue: no task none-such"),
        (("queues", "pause", "none-such"), 4, "taskqueue: no such queue (404)"),
        (("limits", "reset", "none-such"), 4, "taskqueue: no such limit (404)"),
        (("tasks", "list", "--url", "ftp://x"), 2, "taskqueue: url: must look like"),
        (("enqueue", "resize", "a.png"), 2, "expected key=value or one JSON object"),
        (("enqueue", "resize", "{"), 2, "expected a JSON object"),
        (("tasks", "list", "--created-after", "noon"), 2, "expected 2027-01-15T08:00:00Z"),
        (("tasks", "list", "--status", "odd"), 2, "'odd' is not one of"),
    ):
        done = await run(*words)

        assert (done.code, done.out) == (code, ""), words
        assert says in done.err.splitlines()[-1]


async def test_a_token_is_taken_from_the_flag_and_from_the_variable(
    run: Command, tmp_path: Path
) -> None:
    made = await taskqueue(
        *("--database", f"{tmp_path}/data/tasks.db", "tokens"),
        *("new", "--role", "read", "--name", "r"),
    )
    token = made.out

    async with asyncio.timeout(20):
        while (refused := await run("tasks", "list")).code == 0:
            pass
    by_flag = await run("tasks", "list", "--token", token, "--json")
    by_variable = await run("tasks", "list", "--json", TASKQUEUE_TOKEN=token)
    no_admin = await run("dead", "delete", "--all", "--yes", TASKQUEUE_TOKEN=token)

    assert (refused.code, no_admin.code) == (4, 4)
    assert "--token or TASKQUEUE_TOKEN" in refused.err
    assert (by_flag.json, by_variable.json) == ([], [])


async def test_tasks_are_enqueued_and_listed_through_the_file_without_a_service(
    run: Command, service: ServiceProcess, tmp_path: Path
) -> None:
    await service.stop()
    url = f"sqlite:///{tmp_path}/data/tasks.db"

    task_id = (await run("enqueue", "resize", "url=a.png", "--url", url)).out
    [task] = (await run("tasks", "list", "--json", TASKQUEUE_URL=url)).json
    queues = await run("queues", "list", "--url", url)

    assert (task["id"], task["status"]) == (task_id, "queued")
    assert (queues.code, "needs the service" in queues.err) == (4, True)


async def test_flows_are_listed_those_first_that_are_next(run: Command) -> None:
    await run("queues", "pause", "reports")
    for tenant in ("zenith", "zenith", "acme"):
        await run("enqueue", "report", f"tenant={tenant}")
    await run("enqueue", "report", "tenant=late", "--priority", "3")

    table = (await run("queues", "flows", "reports")).out.splitlines()
    as_json = (await run("queues", "flows", "reports", "--json")).json
    none = (await run("queues", "flows", "default", "--json")).json

    assert [line.split() for line in table] == [
        ["flow", "priority", "waiting", "turns", "away"],
        ["tenant=acme", "0", "1", "0.5"],
        ["tenant=zenith", "0", "2", "0.5"],
        ["tenant=late", "3", "1", "0.5"],
    ]
    assert [each["flow"] for each in as_json] == [line.split()[0] for line in table[1:]]
    assert none == []


async def test_the_consumers_of_a_queue_are_changed_shown_and_given_up(run: Command) -> None:
    calls = (
        (),
        ("--count", "3"),
        ("--slots", "8"),
        (),
        ("--count", "configured"),
        ("--slots", "configured"),
    )
    told = [(await run("queues", "consumers", "default", *words)).out for words in calls]
    as_json = (await run("queues", "consumers", "default", "--json")).json
    wrong = await run("queues", "consumers", "default", "--slots", "0")
    unknown = await run("queues", "consumers", "nowhere")

    configured = f"2 of {as_json['slots']} slots"
    assert [each.removesuffix("; shared by default, reports") for each in told] == [
        f"{configured}, as configured",
        f"3 of {as_json['slots']} slots, changed at run time; {configured} configured",
        f"3 of 8 slots, changed at run time; {configured} configured",
        f"3 of 8 slots, changed at run time; {configured} configured",
        f"2 of 8 slots, changed at run time; {configured} configured",
        f"{configured}, as configured",
    ]
    assert all(each.endswith("; shared by default, reports") for each in told)
    assert (as_json["count"], as_json["is_changed"]) == (2, False)
    assert (wrong.code, unknown.code) == (2, 4)


async def test_the_number_of_consumers_is_changed_shown_and_given_up(run: Command) -> None:
    told = [(await run("consumers", *words)).out for words in ((), ("3",), (), ("configured",), ())]
    wrong = await run("consumers", "many")

    configured, changed, shown, back, again = told
    assert configured == back == again == "2, as configured"
    assert changed == shown == "3, changed at run time; 2 configured"
    assert wrong.code == 2


async def test_nodes_are_listed_drained_and_resumed(run: Command, service: ServiceProcess) -> None:
    drained = await run("nodes", "drain", "local")
    await service.wait_for("node_draining")
    [header, row] = (await run("nodes", "list")).out.splitlines()
    resumed = await run("nodes", "resume", "local", "--json")
    unknown = await run("nodes", "drain", "nowhere")

    assert drained == Done(0, "draining local", "")
    assert header.split() == [
        "node",
        "state",
        "running",
        "slots",
        "heartbeat",
        "version",
        "address",
    ]
    assert row.split()[:3] == ["local", "draining", "0"]
    assert resumed.json == [{"node": "local", "draining": False}]
    assert (unknown.code, "there are: local" in unknown.err) == (4, True)
