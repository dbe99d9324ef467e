"""`--app package.module:app` finds the app, or says in one line why not."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from taskqueue import App
from taskqueue.api.loading import load_app
from taskqueue.errors import ConfigError

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module into the current folder; whatever is imported from there is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write_module(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text))
        return file

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal_of(spec: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_app(spec)
    [fault] = caught.value.faults
    assert fault.field == "app"
    assert "\n" not in fault.message
    return fault.message


def test_an_app_is_found_in_the_current_folder(write: Write) -> None:
    write(
        "shop/tasks.py",
        """
        from taskqueue import App
        app = App()
        """,
    )

    assert isinstance(load_app("shop.tasks:app"), App)
    assert load_app("shop.tasks:app") is load_app("shop.tasks:app")


def test_an_app_is_found_by_a_script_that_lies_elsewhere(write: Write, tmp_path: Path) -> None:
    write("shop_tasks.py", "from taskqueue import App\nmine = App()")
    script = write(
        "bin/run.py",
        """
        from taskqueue.api.loading import load_app
        print(type(load_app("shop_tasks:mine")).__name__)
        """,
    )
    root = str(Path(__file__).parents[2])

    printed = subprocess.check_output(
        [sys.executable, script], cwd=tmp_path, env={"PYTHONPATH": root}, text=True
    )

    assert printed == "App\n"


@pytest.mark.parametrize(
    "spec", ["", "shop", "shop:", ":app", "shop/tasks.py:app", ".shop:app", "a:b:c"]
)
def test_a_spec_has_a_module_and_a_name(spec: str) -> None:
    assert refusal_of(spec) == f"must look like package.module:app, not {spec!r}"


def test_a_module_that_is_not_there_is_named(write: Write, tmp_path: Path) -> None:
    write("shop/__init__.py", "")

    assert refusal_of("shop_.tasks:app") == (
        f"there is no module shop_ in {tmp_path} or on sys.path"
    )
    assert refusal_of("shop.tasks:app") == (
        f"there is no module shop.tasks in {tmp_path} or on sys.path"
    )


def test_a_module_that_imports_what_is_not_there_is_told_from_one_that_is_not_there(
    write: Write,
) -> None:
    file = write("shop.py", "import json\nimport no_such_thing")

    assert refusal_of("shop:app") == (
        f"importing shop failed at {file}:2: ModuleNotFoundError: No module named 'no_such_thing'"
    )


def test_a_module_that_raises_is_shown_at_the_users_own_last_line(write: Write) -> None:
    file = write(
        "shop.py",
        """
        import json

        def read():
            return json.loads("{")

        settings = read()
        """,
    )

    message = refusal_of("shop:app")

    assert message.startswith(f"importing shop failed at {file}:5: JSONDecodeError: Expecting")


def test_a_handler_that_cannot_work_is_shown_at_its_line(write: Write) -> None:
    file = write(
        "shop.py",
        """
        from taskqueue import App, Context
        app = App()

        @app.task("mail", timeout_s=3)
        def mail(ctx: Context): ...
        """,
    )

    assert refusal_of("shop:app") == (
        f"importing shop failed at {file}:5: ConfigError: task 'mail', timeout_s: "
        'a thread cannot be stopped; give it executor="process", or make it `async def`'
    )


def test_a_syntax_error_is_shown_at_its_line(write: Write) -> None:
    file = write("shop.py", "x = 1\ndef (:")

    assert refusal_of("shop:app").startswith(f"importing shop failed at {file}:2: SyntaxError: ")


def test_a_module_that_exits_does_not_end_the_process(write: Write) -> None:
    file = write("shop.py", "raise SystemExit(3)")

    assert refusal_of("shop:app") == f"importing shop failed at {file}:1: SystemExit: 3"


def test_an_exception_that_cannot_be_rendered_is_a_fault_too(write: Write) -> None:
    file = write(
        "shop.py",
        "class Odd(Exception):\n    def __str__(self): raise KeyError\n\nraise Odd",
    )

    refusal = refusal_of("shop:app")

    assert refusal == f"importing shop failed at {file}:4: Odd: <no text: KeyError>"


def test_a_name_that_is_not_there_is_told_what_there_is(write: Write) -> None:
    write("shop.py", "from taskqueue import App\nmine = App()\nother = App()")

    assert refusal_of("shop:app") == "module shop has no 'app'; its apps: mine, other"


def test_a_module_without_apps_is_not_told_of_any(write: Write) -> None:
    write("shop.py", "")

    assert refusal_of("shop:app") == "module shop has no 'app'"


def test_what_is_no_app_is_refused(write: Write) -> None:
    write("shop.py", "from taskqueue import App\ndef app(): return App()")

    assert refusal_of("shop:app") == "shop:app is no App but of type function"
