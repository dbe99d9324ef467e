"""Silence for runs that make actors crash by the thousand."""

import contextlib
import logging
from collections.abc import Iterator

import structlog


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is logged."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
