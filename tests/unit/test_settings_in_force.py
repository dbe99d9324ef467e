"""What a service says about its settings: the value of each, and where it comes from."""

from pathlib import Path
from typing import Any

import pytest

from taskqueue.rules.policy import RetryPolicy
from taskqueue.settings import OPTIONS, SettingInForce, Settings, checked, in_force, load
from taskqueue.storage.backend import Database

CWD = Path("/srv/shop")


def shown(settings: Settings) -> dict[str, SettingInForce]:
    return {setting.name: setting for setting in in_force(settings)}


def told(settings: Settings, name: str) -> tuple[str, str, str | None]:
    setting = shown(settings)[name]
    return setting.value, setting.source, setting.given_as


def test_every_setting_is_shown_with_its_default_and_what_it_is_for() -> None:
    settings = shown(load({}, {}, CWD))

    assert list(settings) == [option.key for option in OPTIONS if option.key != "database_direct"]
    assert {each.source for each in settings.values()} == {"default"}
    assert settings["drain_s"] == SettingInForce(
        name="drain_s",
        value="30s",
        default="30s",
        source="default",
        given_as=None,
        description="Time for running handlers to finish at a stop.",
    )


def test_each_value_names_the_source_that_has_won(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 1\nslots = 2\n[retry]\nmax_s = '5m'\n")
    environ = {"TASKQUEUE_PORT": "3", "TASKQUEUE_RETRY__FACTOR": "4"}

    settings = load({"config": "other.toml", "port": "5"}, environ, tmp_path)

    assert told(settings, "port") == ("5", "flag", "--port")
    assert told(settings, "retry.factor") == ("4", "variable", "TASKQUEUE_RETRY__FACTOR")
    assert told(settings, "slots") == ("2", "file", "slots in other.toml")
    assert told(settings, "retry.max_s") == ("5m", "file", "retry.max_s in other.toml")
    assert told(settings, "consumers") == ("2", "default", None)


def test_a_value_that_is_given_as_its_default_names_its_source() -> None:
    settings = load({}, {"TASKQUEUE_PORT": "8080"}, CWD)

    assert told(settings, "port") == ("8080", "variable", "TASKQUEUE_PORT")


def test_the_usual_database_is_shown_with_its_folder() -> None:
    expected = ("/srv/shop/data/tasks.db", "default", None)

    assert told(load({}, {}, CWD), "database") == expected
    assert told(checked(load({}, {}, CWD)), "database") == expected
    assert told(checked(), "database") == (f"{Path.cwd()}/data/tasks.db", "default", None)


def test_what_a_program_says_replaces_what_it_has_loaded() -> None:
    loaded = load({}, {"TASKQUEUE_SLOTS": "3", "TASKQUEUE_RETRY__FACTOR": "4"}, CWD)

    settings = checked(loaded, slots=5, retry=RetryPolicy(max_s=60.0), hosts=["a.example"])

    assert told(settings, "slots") == ("5", "program", "slots")
    assert told(settings, "retry.max_s") == ("1m", "program", "retry.max_s")
    assert told(settings, "retry.factor") == ("2", "default", None)
    assert told(settings, "trusted_hosts") == ("a.example", "program", "trusted_hosts")


def test_what_a_program_leaves_alone_keeps_its_source() -> None:
    loaded = load({}, {"TASKQUEUE_SLOTS": "3", "TASKQUEUE_SYNCHRONOUS": "EXTRA"}, CWD)

    kept, moved = checked(loaded, port=0), checked(loaded, database="/other.db")

    assert told(kept, "slots") == ("3", "variable", "TASKQUEUE_SLOTS")
    assert told(kept, "synchronous") == ("EXTRA", "variable", "TASKQUEUE_SYNCHRONOUS")
    assert told(moved, "synchronous") == ("FULL", "default", None)


def test_settings_made_by_hand_come_from_the_program() -> None:
    settings = checked(Settings(port=9))

    assert told(settings, "port") == ("9", "program", "port")
    assert told(settings, "slots") == ("auto", "default", None)


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"allow_remote": True}, "allow_remote", "true"),
        ({"queues": {"mail": 2, "bulk": 1}}, "queues", "mail=2,bulk=1"),
        ({"socket_mode": "0660"}, "socket_mode", "0660"),
        ({"behind_proxy": "forwarded=10.0.0.0/8"}, "behind_proxy", "forwarded=10.0.0.0/8"),
    ],
)
def test_a_value_is_written_as_a_flag_takes_it(
    given: dict[str, Any], name: str, value: str
) -> None:
    settings = checked(**given)

    assert shown(settings)[name].value == value
    assert checked(**{name: value}) == settings


def test_the_settings_of_other_engines_are_left_out() -> None:
    assert "synchronous" not in shown(checked(database="memory:"))


class ServerDatabase(Database):
    """A database that needs a password, as one on a server does."""

    scheme = "server"
    example = "server://user:password@host"

    password: str

    def __str__(self) -> str:
        return "server://user@host"


def test_the_password_of_a_database_is_never_shown() -> None:
    settings = Settings(database=ServerDatabase(password="secret"))

    assert told(settings, "database") == ("server://user@host", "program", "database")
    assert "secret" not in repr(in_force(settings))
