"""What the operator may write, and what is made of it."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from taskqueue.errors import ConfigError
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.proxies import Proxies
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.retention import Retention
from taskqueue.settings import OPTIONS, Option, Settings, in_force, load
from taskqueue.settings.kinds import Duration
from taskqueue.settings.loading import checked
from taskqueue.storage.databases import DATABASES
from taskqueue.storage.memory.database import MemoryDatabase
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.database import SQLiteDatabase

CWD = Path("/srv/shop")


def flagged(**flags: object) -> Settings:
    return load(flags, {}, CWD)


def faults(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path = CWD,
) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(flags or {}, environ or {}, cwd)
    return [str(fault) for fault in refused.value.faults]


def write_toml(folder: Path, text: str, name: str = "taskqueue.toml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


# --- sources -------------------------------------------------------------------------------------


def test_without_any_source_the_defaults_hold() -> None:
    settings = load({}, {}, CWD)

    assert (settings.host, settings.port, settings.consumers) == ("127.0.0.1", 8080, 2)
    assert settings.database == SQLiteDatabase(path=CWD / "data/tasks.db")
    assert settings.retry == RetryPolicy()


def test_every_default_is_one_that_its_own_setting_accepts() -> None:
    spelled = {option.key: option.kind.spell(option.default) for option in OPTIONS}

    assert replace(load(spelled, {}, CWD), origins={}) == checked(database=CWD / "data/tasks.db")


def test_a_flag_beats_a_variable_and_a_variable_beats_the_file(tmp_path: Path) -> None:
    write_toml(tmp_path, "port = 1\nslots = 1\nprefetch = 1\n")
    environ = {"TASKQUEUE_PORT": "2", "TASKQUEUE_SLOTS": "2"}

    settings = load({"port": "3"}, environ, tmp_path)

    assert (settings.port, settings.slots, settings.prefetch) == (3, 2, 1)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_every_setting_is_heard_from_every_source(option: Option, tmp_path: Path) -> None:
    table, _, name = option.key.rpartition(".")
    header = f"[{table}]\n" if table else ""
    write_toml(tmp_path, f"{header}{name} = [0]\n")

    reported = faults({option.key: "\0"}, {option.variable: "\0"}, tmp_path)

    assert [line.partition(": ")[0] for line in reported] == [
        f"{option.key} in taskqueue.toml",
        option.variable,
        option.flag,
    ]


def test_a_nested_setting_has_a_table_a_variable_and_a_flag(tmp_path: Path) -> None:
    write_toml(tmp_path, "[retry]\ninitial_s = '2s'\n")

    settings = load({"retry.factor": "3"}, {"TASKQUEUE_RETRY__MAX_S": "1h"}, tmp_path)

    assert settings.retry == RetryPolicy(initial_s=2.0, max_s=3600.0, factor=3.0)


def test_the_chosen_file_replaces_the_usual_one(tmp_path: Path) -> None:
    write_toml(tmp_path, "port = 1\nslots = 7\n")
    write_toml(tmp_path, "port = 2\n", "other.toml")
    write_toml(tmp_path, "port = 3\n", "third.toml")

    by_variable = load({}, {"TASKQUEUE_CONFIG": "other.toml"}, tmp_path)
    by_flag = load({"config": "third.toml"}, {"TASKQUEUE_CONFIG": "other.toml"}, tmp_path)

    assert (by_variable.port, by_variable.slots) == (2, "auto")
    assert by_flag.port == 3


def test_variables_of_others_and_of_the_tests_are_none_of_its_business() -> None:
    environ = {"PORT": "x", "TASKQUEUEPORT": "x", "TASKQUEUE_TEST_PG": "x"}

    assert load({}, environ, CWD) == load({}, {}, CWD)


# --- faults --------------------------------------------------------------------------------------


def test_all_faults_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    write_toml(tmp_path, "port = 70000\nprot = 1\nretry = 5\n")
    environ = {"TASKQUEUE_PORT": "abc", "TASKQUEUE_DRAIN": "5"}

    reported = faults({"synchronous": "OFF", "host": "0.0.0.0"}, environ, tmp_path)

    assert reported[:-1] == [
        "port in taskqueue.toml: expected an integer between 0 and 65535, got 70000",
        "prot in taskqueue.toml: unknown setting; did you mean port?",
        "retry in taskqueue.toml: expected a table [retry], got 5",
        "TASKQUEUE_DRAIN: unknown variable; did you mean TASKQUEUE_DRAIN_S?",
        "TASKQUEUE_PORT: expected an integer between 0 and 65535, got 'abc'",
        "--synchronous: expected one of EXTRA, FULL, NORMAL, got 'OFF'",
    ]
    assert reported[-1].startswith("--host: 0.0.0.0 can be reached")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TASKQUEUE_PROT", "TASKQUEUE_PORT"),
        ("TASKQUEUE_port", "TASKQUEUE_PORT"),
        ("TASKQUEUE_RETRY_MAX_S", "TASKQUEUE_RETRY__MAX_S"),
        ("TASKQUEUE_LOGLEVEL", "TASKQUEUE_LOG_LEVEL"),
        ("TASKQUEUE_CONFG", "TASKQUEUE_CONFIG"),
    ],
)
def test_a_misspelt_variable_is_told_its_name(variable: str, meant: str) -> None:
    assert faults(environ={variable: "1"}) == [
        f"{variable}: unknown variable; did you mean {meant}?"
    ]


def test_a_variable_that_resembles_none_gets_no_advice() -> None:
    assert faults(environ={"TASKQUEUE_XYZZY": "1"}) == ["TASKQUEUE_XYZZY: unknown variable"]


def test_a_misspelt_key_of_a_table_is_told_its_name(tmp_path: Path) -> None:
    write_toml(tmp_path, "[retry]\nmaxs = 1\n[rety]\nmax_s = 1\n")

    assert faults(cwd=tmp_path) == [
        "retry.maxs in taskqueue.toml: unknown setting; did you mean retry.max_s?",
        "rety in taskqueue.toml: unknown setting; did you mean retry?",
    ]


def test_a_file_that_was_asked_for_must_be_there() -> None:
    assert faults({"config": "no.toml"}) == [
        "--config: cannot read no.toml: No such file or directory"
    ]
    assert faults(environ={"TASKQUEUE_CONFIG": "no.toml"}) == [
        "TASKQUEUE_CONFIG: cannot read no.toml: No such file or directory"
    ]


def test_a_file_that_is_no_toml_is_named_with_the_place(tmp_path: Path) -> None:
    write_toml(tmp_path, "port = \n")
    (tmp_path / "latin.toml").write_bytes(b"app = '\xe4'")

    [syntax] = faults(cwd=tmp_path)
    [encoding] = faults({"config": "latin.toml"}, cwd=tmp_path)

    assert syntax.startswith("taskqueue.toml: expected a TOML file:")
    assert "line 1" in syntax
    assert encoding.startswith("latin.toml: expected a TOML file, which is UTF-8")


def test_a_number_too_long_to_be_read_is_a_fault(tmp_path: Path) -> None:
    write_toml(tmp_path, f"port = {'9' * 10_000}\n")

    [fault] = faults(cwd=tmp_path)

    assert fault.startswith("taskqueue.toml: expected a TOML file:")


def test_a_folder_in_the_place_of_the_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "taskqueue.toml").mkdir()

    assert faults(cwd=tmp_path) == ["taskqueue.toml: cannot read taskqueue.toml: Is a directory"]


def test_a_flag_that_does_not_exist_is_a_fault() -> None:
    assert faults({"prefech": 1}) == ["prefech: unknown setting; did you mean prefetch?"]


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86_400.0),
        ("1.5h", 5400.0),
        ("2", 2.0),
        ("0.25", 0.25),
        ("0", 0.0),
        (7, 7.0),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_spelled_or_a_number_of_seconds(spelled: object, seconds: float) -> None:
    assert flagged(drain_s=spelled).drain_s == seconds


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "s",
            "-1",
            "-5s",
            "30m1h",
            "1h 30m",
            "1 h",
            "5min",
            "nan",
            "inf",
            "1e3",
            "٣s",
            "366d",
        ),
        *(True, float("nan"), float("inf"), -1, [5]),
        pytest.param(10**400, id="400 digits"),
    ],
)
def test_anything_else_is_no_duration(value: object) -> None:
    [fault] = faults({"drain_s": value})

    assert fault.startswith("--drain-s: expected a duration between 0s and 365d")


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0, 59.0, 60.0, 90.0, 600.0, 5400.0, 86_400.0])
def test_a_duration_is_spelled_in_a_way_that_reads_back(seconds: float) -> None:
    assert Duration().read(Duration().spell(seconds)) == seconds


@pytest.mark.parametrize("value", ["0", 0, "65535", 65535, "+80"])
def test_an_integer_may_be_written_as_text(value: object) -> None:
    assert flagged(port=value).port == int(str(value))


@pytest.mark.parametrize("value", [-1, "-1", 65536, "65536", "", "8 0", "8_0", "8.0", 8.0, True])
def test_what_is_out_of_range_or_no_integer_is_refused(value: object) -> None:
    assert faults({"port": value}) == [
        f"--port: expected an integer between 0 and 65535, got {value!r}"
    ]


def test_an_endless_row_of_digits_is_refused_like_any_other_text() -> None:
    [fault] = faults({"port": "9" * 10_000})

    assert fault.startswith("--port: expected an integer between 0 and 65535")


@pytest.mark.parametrize(
    ("value", "meant"),
    [("true", True), ("Yes", True), ("1", True), (True, True), ("off", False), (False, False)],
)
def test_a_switch_takes_the_usual_words(value: object, *, meant: bool) -> None:
    assert flagged(allow_remote=value).allow_remote is meant


def test_the_variables_of_the_client_concern_no_service() -> None:
    environ = {"TASKQUEUE_URL": "http://127.0.0.1:1", "TASKQUEUE_TOKEN": "tq_x"}

    assert load({}, environ, CWD) == load({}, {}, CWD)


def test_the_former_name_of_a_setting_still_works(tmp_path: Path) -> None:
    write_toml(tmp_path, 'hosts = ["a.example"]')

    from_file = load({}, {}, tmp_path)
    from_environ = load({}, {"TASKQUEUE_HOSTS": "b.example"}, tmp_path)
    from_flag = load({"hosts": "c.example"}, {"TASKQUEUE_HOSTS": "b.example"}, tmp_path)

    found = [each.trusted_hosts for each in (from_file, from_environ, from_flag)]
    assert found == [("a.example",), ("b.example",), ("c.example",)]


def test_a_proxy_is_a_header_with_the_peers_that_set_it() -> None:
    settings = flagged(behind_proxy="X-Forwarded-For=127.0.0.1, 10.0.0.0/8,fd00::/8,unix")

    assert settings.behind_proxy == Proxies(
        header="x-forwarded-for",
        networks=tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "fd00::/8"))),
        unix=True,
    )


@pytest.mark.parametrize(
    "value",
    [
        "x-forwarded-for",
        "x-forwarded-for=",
        "127.0.0.1",
        "via=127.0.0.1",
        "forwarded=10.0.0.1/8",
        1,
    ],
)
def test_a_proxy_without_a_known_header_or_network_is_a_fault(value: object) -> None:
    [fault] = faults({"behind_proxy": value})

    assert fault.startswith("--behind-proxy: expected one of x-forwarded-for, forwarded, x-real-ip")
    assert fault.endswith(f"got {value!r}")


def test_all_faults_of_the_door_are_reported_at_once() -> None:
    reported = faults(
        {"behind_proxy": "via=x", "trusted_hosts": "a b", "host": "0.0.0.0", "port": "x"}
    )

    names = {line.partition(":")[0] for line in reported}
    assert names == {"--behind-proxy", "--trusted-hosts", "--host", "--port"}


def test_a_switch_takes_no_other_words() -> None:
    assert faults({"allow_remote": "maybe"}) == [
        "--allow-remote: expected true or false, got 'maybe'"
    ]


def test_a_choice_does_not_mind_its_case() -> None:
    settings = flagged(synchronous="normal", log_level="WARNING")
    database = SQLiteDatabase(path=CWD / "data/tasks.db", synchronous="NORMAL")

    assert (settings.database, settings.log_level) == (database, "warning")


@pytest.mark.parametrize("app", ["", "shop:app", "shop.tasks:queue.app"])
def test_an_app_is_a_module_and_a_name_in_it(app: str) -> None:
    assert flagged(app=app).app == app


@pytest.mark.parametrize("app", ["shop", "shop:", ":app", "shop/tasks.py:app", "shop:app:x", "1:a"])
def test_what_cannot_be_imported_is_no_app(app: str) -> None:
    [fault] = faults({"app": app})

    assert fault.startswith("--app: expected package.module:app")


@pytest.mark.parametrize("lease", ["0", "0.05"])
def test_a_lease_too_short_to_be_extended_is_refused(lease: str) -> None:
    [fault] = faults({"lease_s": lease})

    assert fault.startswith("--lease-s: expected a duration between 0.1s and 1d")


# --- the database --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("tasks.db", "/srv/shop/tasks.db"),
        ("../up.db", "/srv/shop/../up.db"),
        ("/var/lib/tasks.db", "/var/lib/tasks.db"),
        (Path("data/x.db"), "/srv/shop/data/x.db"),
        ("sqlite:///relative.db", "/srv/shop/relative.db"),
        ("sqlite:///data/relative.db", "/srv/shop/data/relative.db"),
        ("sqlite:////absolute.db", "/absolute.db"),
        # A path is taken as it is, a URL is unescaped.
        ("100%25 #1? é&.db", "/srv/shop/100%25 #1? é&.db"),
        ("sqlite:///100%25%20%231%3F%20%C3%A9&.db", "/srv/shop/100% #1? é&.db"),
        ("sqlite:///a b'\"é.db", "/srv/shop/a b'\"é.db"),
        ("odd:name.db", "/srv/shop/odd:name.db"),
    ],
)
def test_a_database_is_a_path_or_an_sqlite_url(given: object, path: str) -> None:
    assert flagged(database=given).database == SQLiteDatabase(path=Path(path))


def test_memory_is_a_database_without_a_path() -> None:
    settings = flagged(database="memory:")

    assert settings.database == MemoryDatabase()
    assert str(settings.database) == "memory:"


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ("", "expected a path or a URL (sqlite:, postgresql:, memory:)"),
        ("data/", "expected a path or a URL (sqlite:, postgresql:, memory:)"),
        ("sqlite:///", "expected a path or a URL (sqlite:, postgresql:, memory:)"),
        ("sqlite:///a%00b", "expected a path or a URL (sqlite:, postgresql:, memory:)"),
        (5, "expected a path or a URL (sqlite:, postgresql:, memory:)"),
        ("mysql://host/tasks", "no engine has the scheme 'mysql'"),
        (
            "mysql://host/tasks",
            (
                "known are: sqlite (sqlite:///data/tasks.db, or a path), "
                "postgresql (postgresql://user@host/name), memory (memory:)"
            ),
        ),
        ("file:tasks.db?mode=ro", "no engine has the scheme 'file'"),
        ("SQLITE:///tasks.db", "no engine has the scheme 'SQLITE'"),
        ("memory:tasks", "nothing can follow memory:"),
        ("memory://", "nothing can follow memory:"),
        ("sqlite://tasks.db", "three slashes or four: sqlite:///tasks.db"),
        ("sqlite:data/tasks.db", "three slashes or four: sqlite:///data/tasks.db"),
        ("sqlite:///tasks.db?cache=shared", "takes no parameters"),
        ("sqlite:///tasks#1.db", "takes no parameters"),
        (":memory:", "cannot keep what was accepted"),
        ("sqlite:///:memory:", "cannot keep what was accepted"),
    ],
)
def test_what_is_no_database_file_is_refused_with_the_reason(given: object, because: str) -> None:
    [fault] = faults({"database": given})

    assert fault.startswith("--database: ")
    assert because in fault


def test_a_refused_url_does_not_show_its_password() -> None:
    [fault] = faults(environ={"TASKQUEUE_DATABASE": "mysql://ann:secret@db/tasks"})

    assert "'mysql'" in fault
    assert "secret" not in fault


def test_a_setting_of_another_engine_is_refused_wherever_it_was_given(tmp_path: Path) -> None:
    write_toml(tmp_path, 'synchronous = "FULL"\n')

    reported = faults({"database": "memory:"}, {}, tmp_path)
    by_flag = faults({"database": "memory:", "synchronous": "FULL"}, {}, tmp_path)

    refusal = "a setting of sqlite databases; memory: is none, so leave it out"
    assert reported == [f"synchronous in taskqueue.toml: {refusal}"]
    assert by_flag == [f"--synchronous: {refusal}"]


def test_a_database_that_cannot_be_read_does_not_put_its_settings_into_doubt() -> None:
    [fault] = faults({"database": "mysql://host/tasks", "synchronous": "NORMAL"})

    assert fault.startswith("--database: ")


@pytest.mark.parametrize("scheme", DATABASES)
def test_a_database_is_known_by_what_it_is_shown_as(scheme: str) -> None:
    example = DATABASES[scheme].example.partition(",")[0]
    database = flagged(database=example).database

    assert database.scheme == scheme
    assert flagged(database=str(database)).database == database
    assert flagged(database=database).database == database


# --- what concerns more than one -----------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost"])
def test_this_machine_may_always_be_listened_on(host: str) -> None:
    assert flagged(host=host).host == host


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "localhost.evil.example", "127.1"]
)
def test_another_address_is_refused_until_it_is_allowed(host: str) -> None:
    [fault] = faults(environ={"TASKQUEUE_HOST": host})
    settings = load({"allow_remote": True}, {"TASKQUEUE_HOST": host}, CWD)

    assert fault.startswith(f"TASKQUEUE_HOST: {host} can be reached by other machines")
    assert "in the clear" in fault
    assert "--allow-remote" in fault
    assert settings.host == host


@pytest.mark.parametrize("host", ["", " ", "http://127.0.0.1", "[::1]", "a b"])
def test_what_is_neither_address_nor_name_is_no_host(host: str) -> None:
    assert faults({"host": host, "allow_remote": True}) == [
        f"--host: expected an IP address or a host name, got {host!r}"
    ]


def test_a_fault_does_not_cause_another_one() -> None:
    reported = faults({"host": "0.0.0.0", "allow_remote": "yep", "retry.max_s": "?"})

    assert [line.partition(":")[0] for line in reported] == ["--allow-remote", "--retry-max-s"]


def test_the_first_wait_must_not_be_longer_than_the_longest() -> None:
    environ = {"TASKQUEUE_RETRY__INITIAL_S": "20m"}

    assert faults(environ=environ) == [
        "retry.max_s: expected no less than retry.initial_s (1200s), got 600s"
    ]
    assert load({"retry.max_s": "20m"}, environ, CWD).retry.initial_s == 1200.0


def test_a_pooler_and_the_server_behind_it_are_two_urls_of_one_engine() -> None:
    pooler, server = "postgresql://me@pooler/tasks", "postgresql://me:s3cret@server/tasks"

    both = load({"database": pooler, "database_direct": server}, {}, CWD)
    none = load({"database": pooler}, {"TASKQUEUE_DATABASE_DIRECT": ""}, CWD)
    shown = {each.name: each.value for each in in_force(both)}

    assert (str(both.database), shown["database"]) == (pooler, pooler)
    assert shown["database_direct"] == "postgresql://me:***@server/tasks"
    assert isinstance(both.database, PostgresDatabase)
    assert both.database.direct.dsn == server
    assert isinstance(none.database, PostgresDatabase)
    assert none.database.direct is none.database
    assert faults({"database": pooler, "database_direct": "tasks.db"}) == [
        (
            "--database-direct: expected a URL of this engine (postgresql://user@host/name), or "
            "nothing, got 'tasks.db'"
        )
    ]
    [elsewhere] = faults({"database_direct": server})
    assert "a setting of postgresql databases; /srv/shop/data/tasks.db is none" in elsewhere


# --- the words themselves ------------------------------------------------------------------------


def test_no_two_settings_share_a_name() -> None:
    for name in ("key", "variable", "flag"):
        assert len({getattr(option, name) for option in OPTIONS}) == len(OPTIONS)


def test_every_setting_is_in_the_table() -> None:
    keys = {option.key for option in OPTIONS}

    engines = {option.key for option in OPTIONS if option.engine}
    assert engines == {"synchronous", "database_direct"}
    tables = {"retry", "retention", "process"}
    assert keys - engines == (set(asdict(Settings())) - tables - {"origins"}) | {
        f"{table}.{name}"
        for table, rules in (
            ("retry", RetryPolicy()),
            ("retention", Retention()),
            ("process", ProcessPolicy()),
        )
        for name in asdict(rules)
    }


def test_consumers_of_some_queues_can_be_given_in_every_source(tmp_path: Path) -> None:
    write_toml(tmp_path, "[queues]\nmail = 2\n'big ones' = 1\n")

    from_file = load({}, {}, tmp_path)
    from_environ = load({}, {"TASKQUEUE_QUEUES": "mail=3, big ones=1"}, tmp_path)
    from_flag = load({"queues": "mail=4"}, {}, tmp_path)

    assert from_file.queues == {"mail": 2, "big ones": 1}
    assert from_environ.queues == {"mail": 3, "big ones": 1}
    assert from_flag.queues == {"mail": 4}


@pytest.mark.parametrize("text", ["mail", "mail=0", "mail=2,mail=3", "=1", "mail=many"])
def test_counts_of_queues_that_cannot_be_are_refused(text: str) -> None:
    assert faults({"queues": text}) == [
        (
            "--queues: expected queues with a number between 1 and 1024 each (mail=2,bulk=1),"
            f" got {text!r}"
        )
    ]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_a_relative_database_is_refused_where_the_working_folder_has_been_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    kept = checked(database=f"{tmp_path}/tasks.db")
    with pytest.raises(ConfigError, match="database: is relative"):
        checked(database="tasks.db")

    assert str(kept.database) == f"{tmp_path}/tasks.db"
