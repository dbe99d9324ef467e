"""Where the service is and how a client proves who it is: arguments first, then the environment."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from taskqueue.errors import ConfigError, Fault
from taskqueue.rules.sockets import UNIX_EXPECTED, UNIX_URL, socket_path
from taskqueue.structs import Struct

URL_VARIABLE = "TASKQUEUE_URL"
TOKEN_VARIABLE = "TASKQUEUE_TOKEN"  # noqa: S105 - the name of a variable

SCHEMES = ("http", "https")
FILE_SCHEME = "sqlite:"


class ServiceAddress(Struct):
    """A service's URL, without a slash at its end, and the headers of every request to it."""

    url: str
    headers: Mapping[str, str]

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket on which it listens, if it does."""
        return socket_path(self.url)

    @property
    def base(self) -> str:
        """What the URL of every request begins with."""
        return self.url if self.socket is None else "http://localhost"


def address_of(
    url: str | None, token: str | None, environ: Mapping[str, str] = os.environ
) -> ServiceAddress:
    """Return the address of the service.

    Args:
        url: `http://host:port`, with a path if a proxy serves it below one, or the path of a Unix
            socket, `unix:///run/taskqueue.sock`; default: TASKQUEUE_URL.
        token: sent with every request; default: TASKQUEUE_TOKEN, if that is set.
        environ: the environment.

    Raises:
        ConfigError: there is no URL, or it cannot be used.
    """
    url = url or environ.get(URL_VARIABLE)
    token = token or environ.get(TOKEN_VARIABLE)
    if not url:
        wanted = f'give one, as Client("http://127.0.0.1:8080"), or set {URL_VARIABLE}'
        raise ConfigError((Fault("url", f"is missing; {wanted}"),))
    faults = [*_url_faults(url), *_token_faults(token)]
    if faults:
        raise ConfigError(tuple(faults))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return ServiceAddress(url=url.rstrip("/"), headers=headers)


def file_url_of(
    url: str | None, token: str | None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Return the URL of a service's file on this machine, None if the service is reached by HTTP.

    Args:
        url: `sqlite:///data/tasks.db`, or any other; default: TASKQUEUE_URL.
        token: must be None for a file, whose mode decides who may use it.
        environ: the environment.

    Raises:
        ConfigError: there is a token for a file.
    """
    url = url or environ.get(URL_VARIABLE) or ""
    if not url.startswith(FILE_SCHEME):
        return None
    if token is not None:
        raise ConfigError((Fault("token", "must be left out for a file"),))
    return url


def _url_faults(url: str) -> list[Fault]:
    if url.startswith(UNIX_URL):
        unfit = socket_path(url.rstrip("/")) is None
        return [Fault("url", f"must be {UNIX_EXPECTED}, not {url!r}")] if unfit else []
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return [
            Fault(
                "url",
                "must look like http://127.0.0.1:8080, unix:///run/taskqueue.sock or "
                f"sqlite:///data/tasks.db, not {url!r}",
            )
        ]
    if parts.username or parts.password or parts.query or parts.fragment:
        return [Fault("url", "must have no user, password, query or fragment; use `token`")]
    return []


def _token_faults(token: str | None) -> list[Fault]:
    if token is None or (token.isascii() and token.isprintable() and " " not in token):
        return []
    return [Fault("token", "must be printable ASCII without spaces")]
