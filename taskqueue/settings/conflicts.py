"""What concerns more than one setting: values that do not go together."""

import ipaddress
from collections.abc import Iterator

from taskqueue.errors import Fault
from taskqueue.settings.model import Settings
from taskqueue.settings.options import BY_KEY
from taskqueue.settings.reading import Reading


def conflicts(settings: Settings, reading: Reading) -> Iterator[Fault]:
    """Yield what is wrong with the values together, as far as they could be read."""
    if (
        reading.has_read("host", "allow_remote")
        and not settings.allow_remote
        and not _is_loopback(settings.host)
    ):
        yield Fault(
            reading.name("host"),
            f"{settings.host} can be reached by other machines, where tokens travel in the clear "
            "without TLS in front; listen on 127.0.0.1, or accept that with --allow-remote "
            "(TASKQUEUE_ALLOW_REMOTE=true, allow_remote = true)",
        )
    if settings.listen:
        for key in ("host", "port"):
            if reading.has_read(key) and getattr(settings, key) != BY_KEY[key].default:
                yield Fault(
                    reading.name(key), f"the service listens on {settings.listen}; leave it out"
                )
    for key, value in reading.values.items():
        engine = BY_KEY[key].engine if value is not None else None
        if engine and reading.has_read("database") and engine != settings.database.scheme:
            yield Fault(
                reading.name(key),
                f"a setting of {engine} databases; {settings.database} is none, so leave it out",
            )
    if (
        reading.has_read("retry.initial_s", "retry.max_s")
        and settings.retry.initial_s > settings.retry.max_s
    ):
        yield Fault(
            reading.name("retry.max_s"),
            f"expected no less than retry.initial_s ({settings.retry.initial_s:g}s), "
            f"got {settings.retry.max_s:g}s",
        )


def _is_loopback(host: str) -> bool:
    """Return whether only this machine reaches `host`; a name we would have to look up: no."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
