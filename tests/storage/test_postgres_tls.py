"""TLS to a real server whose certificates come from a CA of the test."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from taskqueue.cli.exits import FAILED
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.testing.contract.steps import add, claim, ids
from tests.postgres_programs import NoPostgres, server_user
from tests.postgres_server import tls_server
from tests.system.test_nginx import free_port

OPENSSL = shutil.which("openssl")
LIMIT_S = 30.0

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def openssl(*arguments: object) -> None:
    subprocess.run(
        [str(OPENSSL), *map(str, arguments)], check=True, capture_output=True, timeout=LIMIT_S
    )


@dataclass(frozen=True)
class Authority:
    """A CA, which certifies who asks."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def _key(self) -> Path:
        return self.folder / "ca.key"

    def establish(self) -> "Authority":
        self.folder.mkdir()
        openssl(*_KEYED, "-x509", "-subj", "/CN=an authority", "-days", 2,
                "-keyout", self._key, "-out", self.certificate)  # fmt: skip
        return self

    def certify(self, name: str, *extensions: str) -> tuple[Path, Path]:
        """Return a certificate for that name, and its key."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        openssl(*_KEYED, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        (self.folder / "extensions").write_text("\n".join(extensions))
        openssl("x509", "-req", "-in", request, "-out", certificate, "-days", 2,
                "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                "-extfile", self.folder / "extensions")  # fmt: skip
        return certificate, key


_KEYED: Sequence[str] = ("req", "-newkey", "rsa:2048", "-nodes")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority").establish()


@pytest.fixture(scope="module")
def port(authority: Authority) -> Iterator[int]:
    """The port of a server that asks for a certificate of the client."""
    port = free_port()

    def prepare(data: Path) -> str:
        certificate, key = authority.certify("localhost", "subjectAltName=DNS:localhost")
        for source, name in (
            (authority.certificate, "ca.pem"),
            (certificate, "server.pem"),
            (key, "server.key"),
        ):
            shutil.copy(source, data / name)
            shutil.chown(data / name, server_user())
            (data / name).chmod(0o600)
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhostssl all all 127.0.0.1/32 cert\nhostssl all all ::1/128 cert\n"
        )
        return (
            f"-c listen_addresses=localhost -c port={port} -c ssl=on -c ssl_ca_file=ca.pem "
            "-c ssl_cert_file=server.pem -c ssl_key_file=server.key"
        )

    try:
        with tls_server(prepare):
            yield port
    except NoPostgres as none:
        pytest.skip(str(none))


def database(port: int, host: str = "localhost", **options: object) -> PostgresDatabase:
    query = urlencode({"sslmode": "verify-full", **options})
    return PostgresDatabase(url=f"postgresql://postgres@{host}:{port}/postgres?{query}")


@pytest.fixture(scope="module")
def known(authority: Authority) -> dict[str, Path]:
    """Options with which the server knows the client, and the client the server."""
    certificate, key = authority.certify("postgres")
    return {"sslrootcert": authority.certificate, "sslcert": certificate, "sslkey": key}


async def test_both_sides_are_certified(port: int, known: dict[str, Path]) -> None:
    storage = PostgresStorage(database(port, **known))
    await storage.migrate()
    await storage.open()
    await add(storage, "a")

    assert ids(await claim(storage)) == ["a"]
    assert await storage._read(lambda db: db.fetchval("SELECT ssl FROM pg_stat_ssl")) is True
    await storage.close()


async def test_a_server_of_another_authority_is_refused(
    port: int, known: dict[str, Path], tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").establish()
    options = {**known, "sslrootcert": other.certificate}

    with pytest.raises(StorageUnavailable, match="certificate of the server is refused") as refused:
        await PostgresStorage(database(port, **options)).open()

    assert "sslrootcert" in refused.value.reason


async def test_a_server_of_another_name_is_refused(port: int, known: dict[str, Path]) -> None:
    with pytest.raises(StorageUnavailable, match=r"refused \(.*127\.0\.0\.1"):
        await PostgresStorage(database(port, "127.0.0.1", **known)).open()


async def test_a_client_without_a_certificate_is_told_what_the_server_wants(
    port: int, authority: Authority
) -> None:
    with pytest.raises(StorageUnavailable, match="valid client certificate"):
        await PostgresStorage(database(port, sslrootcert=authority.certificate)).open()


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert", "sslkey"])
async def test_a_file_that_is_not_there_is_named(
    port: int, known: dict[str, Path], option: str
) -> None:
    options = {**known, option: "/no/such.pem"}

    with pytest.raises(StorageUnavailable, match=rf"{option} is a file .* read: /no/such\.pem"):
        await PostgresStorage(database(port, **options)).open()


async def test_a_service_that_is_told_the_wrong_authority_says_so_in_one_line(
    port: int, known: dict[str, Path], tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").establish()
    options = {**known, "sslrootcert": other.certificate}

    url = database(port, **options).url
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "taskqueue", "--port", "0", "--database", url),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT_S):
        said, _ = await service.communicate()

    assert service.returncode == FAILED
    assert said.count(b"certificate of the server is refused") == 1
    assert b"Traceback" not in said
