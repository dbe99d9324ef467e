"""The compose file of several nodes. No container is built: its parts are checked one by one."""

import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskqueue.settings import Settings, load
from taskqueue.storage.postgres.database import PostgresDatabase
from tests.deploying.environments import ROOT
from tests.deploying.test_container import instructions

DEPLOY = ROOT / "examples/deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.nodes.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
NODES = [name for name in SERVICES if name.startswith("node-")]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
LIMIT_S = 60.0


def configuration() -> str:
    return (DEPLOY / "nginx.nodes.conf").read_text()


def settings(node: str) -> Settings:
    """Return what a node reads in its image; what is no setting belongs to the driver."""
    image = [rest.partition("=") for name, rest in instructions() if name == "ENV"]
    environ = {name: value for name, _, value in image} | SERVICES[node]["environment"]
    return load({}, environ, Path("/srv/taskqueue"))


def test_there_are_three_nodes_with_settings_that_are_accepted() -> None:
    assert len(NODES) == 3
    for node in NODES:
        database = settings(node).database
        [subnet] = [each["subnet"] for each in COMPOSE["networks"]["queue"]["ipam"]["config"]]

        assert isinstance(database, PostgresDatabase)
        assert settings(node).behind_proxy.networks == (ip_network(subnet),)


def test_the_database_is_the_one_that_is_there() -> None:
    server = SERVICES["postgres"]["environment"]

    for node in NODES:
        where = f"postgresql://{server['POSTGRES_USER']}@postgres/{server['POSTGRES_DB']}"
        assert str(settings(node).database) == where
        assert SERVICES[node]["environment"]["PGPASSWORD"] == server["POSTGRES_PASSWORD"]


def test_the_proxy_forwards_to_every_node_and_under_their_name() -> None:
    forwarded = re.findall(r"server (node-\d):(\d+) ", configuration())

    assert forwarded == [(node, str(settings(node).port)) for node in NODES]
    assert re.findall(r"server_name (.*);", configuration()) == [*settings(NODES[0]).trusted_hosts]
    assert SERVICES["nginx"]["depends_on"] == NODES


def test_everything_that_is_named_is_there() -> None:
    networks = {name for each in SERVICES.values() for name in each["networks"]}
    places = [place for each in SERVICES.values() for place in each.get("volumes", ())]
    named = {place.partition(":")[0] for place in places}

    assert networks == set(COMPOSE["networks"])
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert all((DEPLOY / name).exists() for name in named if name.startswith("."))
    for node in NODES:
        build = SERVICES[node]["build"]
        assert ((DEPLOY / build["context"]).resolve() / build["dockerfile"]).exists()
        assert int(SERVICES[node]["stop_grace_period"].removesuffix("s")) >= (
            settings(node).drain_s + 20
        )


def test_the_image_gets_the_driver_that_the_tests_use() -> None:
    locked = re.findall(r"^(asyncpg==\S+)", (ROOT / "requirements-dev.lock").read_text(), re.M)

    assert ("ARG", "DRIVER") in instructions()
    assert {SERVICES[node]["build"]["args"]["DRIVER"] for node in NODES} == set(locked)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    text = re.sub(r"server node-\d", "server 127.0.0.1", configuration())
    (tmp_path / "nodes.conf").write_text(text.replace("listen 80", "listen 127.0.0.1:18080"))
    folders = "".join(
        f"{each}_temp_path {tmp_path}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}"
        f"http {{ access_log off; {folders} include {tmp_path}/nodes.conf; }}"
    )

    done = subprocess.run(
        [str(NGINX), "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
