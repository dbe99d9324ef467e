"""The Dockerfile and the compose file. No container is built: the commands run in a folder."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml

from taskqueue.settings import load
from tests.deploying.environments import ROOT, Environment
from tests.deploying.running import running

DEPLOY = ROOT / "examples/deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())


class Instruction(NamedTuple):
    """One instruction of a Dockerfile."""

    name: str
    rest: str


def instructions() -> Iterator[Instruction]:
    """Yield the instructions of the Dockerfile, in order."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield Instruction(name, rest)


class Image:
    """What the instructions make of an empty folder; /srv is `folder/srv`."""

    def __init__(self, folder: Path, environment: Environment, **arguments: str) -> None:
        self._root = self.folder = folder
        self._environment = environment
        self._arguments = arguments
        self.variables: dict[str, str] = {}
        self.command: list[str] = []
        self.health: list[str] = []

    def build(self) -> None:
        """Follow all instructions."""
        for name, rest in instructions():
            getattr(self, f"_{name.lower()}")(rest)

    def _workdir(self, path: str) -> None:
        self.folder = self._root / path.removeprefix("/")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        for source in (ROOT / each for each in sources):
            place = self.folder / target
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place)

    def _run(self, command: str) -> None:
        self._environment.run(command, self.folder, **self._arguments)

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self._arguments.setdefault(name, default)

    def _env(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        self.variables[name] = value

    def _healthcheck(self, rest: str) -> None:
        self.health = json.loads(rest.partition("CMD ")[2])

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _nothing(self, _: str) -> None:
        """What only Docker can do."""

    _from = _volume = _user = _expose = _nothing


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_the_instructions_of_the_dockerfile_lead_to_a_service_that_is_ready(
    tmp_path: Path,
) -> None:
    environment = Environment(tmp_path / "venv")
    (tmp_path / "image").mkdir()
    image = Image(tmp_path / "image", environment, OWNER=str(os.getuid()))

    image.build()
    variables = {**environment.variables, **image.variables}
    async with running(" ".join(image.command), image.folder, variables) as url:
        python, option, program = image.health
        port = url.rpartition(":")[2]
        environment.run(f'{python} {option} "{program.replace("8080", port)}"', image.folder)
        async with (
            aiohttp.ClientSession(url) as http,
            http.post("/tasks", json={"action": "uppercase", "data": {"text": "a"}}) as answer,
        ):
            status = answer.status

    assert status == 202
    assert (image.folder / "data/tasks.db").exists()


def test_the_volume_is_where_the_database_is_and_belongs_to_the_user() -> None:
    found = dict(instructions())
    folder = Path(found["WORKDIR"])

    settings = load({}, {}, folder)

    assert found["VOLUME"] == str(Path(str(settings.database)).parent)
    assert found["USER"] == "$OWNER"
    assert COMPOSE["services"]["taskqueue"]["volumes"] == [f"data:{found['VOLUME']}"]


def test_the_compose_file_uses_what_is_there_and_settings_that_are_accepted() -> None:
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    ours, caddy = services["taskqueue"], services["caddy"]
    context = (DEPLOY / ours["build"]["context"]).resolve()
    image = [rest.partition("=") for name, rest in instructions() if name == "ENV"]

    environ = {name: value for name, _, value in image} | ours["environment"]
    settings = load({}, environ, Path("/srv/taskqueue"))

    [subnet] = [each["subnet"] for each in networks["queue"]["ipam"]["config"]]
    assert (context / ours["build"]["dockerfile"]).exists()
    assert settings.behind_proxy.networks == (ip_network(subnet),)
    assert settings.trusted_hosts[0] in (DEPLOY / "Caddyfile").read_text()
    assert caddy["environment"]["TASKQUEUE"] == f"taskqueue:{settings.port}"
    assert {name for each in services.values() for name in each["networks"]} == set(networks)
    named = {place.partition(":")[0] for each in services.values() for place in each["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert all((DEPLOY / name).exists() for name in named if name.startswith("."))


def test_a_container_has_longer_to_stop_than_the_handlers() -> None:
    limit = re.fullmatch(r"(\d+)s", COMPOSE["services"]["taskqueue"]["stop_grace_period"])

    assert limit is not None
    assert int(limit[1]) >= load({}, {}, Path("/")).drain_s + 20
