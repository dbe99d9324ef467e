"""The files for a host: the systemd unit, the settings beside it, nginx and Caddy in front."""

import configparser
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from taskqueue.cli.exits import MISUSED
from taskqueue.settings import Settings, load
from tests.deploying.environments import ROOT

DEPLOY = ROOT / "examples/deploy"
LIMIT_S = 60.0

ANALYZE, NGINX, OPENSSL = (shutil.which(name) for name in ("systemd-analyze", "nginx", "openssl"))


def unit() -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(DEPLOY / "taskqueue.service")
    return parser["Service"]


def settings(folder: Path) -> Settings:
    shutil.copy(DEPLOY / "taskqueue.toml", folder)
    return load({}, {}, folder)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "taskqueue.service").read_text()
    place = tmp_path / "taskqueue.service"
    place.write_text(text.replace(unit()["ExecStart"], str(shutil.which("true"))))

    done = subprocess.run(
        [str(ANALYZE), "verify", place],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_gives_a_stop_longer_than_the_handlers_have(tmp_path: Path) -> None:
    assert int(unit()["TimeoutStopSec"]) >= settings(tmp_path).drain_s + 20


def test_the_unit_waits_for_ready_and_does_not_repeat_wrong_settings() -> None:
    service = unit()

    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert int(service["RestartPreventExitStatus"]) == MISUSED


def test_the_service_may_write_where_its_database_is(tmp_path: Path) -> None:
    folder = Path(str(settings(tmp_path).database)).parent

    assert folder == Path("/var/lib") / unit()["StateDirectory"]


def test_the_proxies_forward_to_the_service_and_under_its_name(tmp_path: Path) -> None:
    read = settings(tmp_path)
    [name] = read.trusted_hosts
    nginx, caddy = (DEPLOY / "nginx.conf").read_text(), (DEPLOY / "Caddyfile").read_text()

    assert re.findall(r"server (127\S+);", nginx) == [f"127.0.0.1:{read.port}"]
    assert set(re.findall(r"server_name (.*);", nginx)) == {name}
    assert f"{{$TASKQUEUE:127.0.0.1:{read.port}}}" in caddy
    assert f"\n{name} {{\n" in caddy
    assert read.behind_proxy.header.replace("-", " ").title().replace(" ", "-") in nginx


@pytest.mark.skipif(NGINX is None or OPENSSL is None, reason="nginx or openssl is not installed")
def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    made = [str(OPENSSL), "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=q"]
    made += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True, timeout=LIMIT_S)
    text = (DEPLOY / "nginx.conf").read_text().replace("/etc/ssl/queue.example", str(tmp_path))
    (tmp_path / "taskqueue.conf").write_text(
        re.sub(r"listen (80|443)", r"listen 127.0.0.1:1\1", text)
    )
    folders = "".join(
        f"{each}_temp_path {tmp_path}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}"
        f"http {{ access_log off; {folders} include {tmp_path}/taskqueue.conf; }}"
    )

    done = subprocess.run(
        [str(NGINX), "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env={"PATH": os.environ["PATH"]},
    )

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
