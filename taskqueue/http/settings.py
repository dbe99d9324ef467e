"""The call that shows the settings with which the service runs."""

from collections.abc import Sequence
from typing import Any

from taskqueue.http.answers import Answer
from taskqueue.http.route import Call
from taskqueue.settings import SettingInForce
from taskqueue.structs import Struct


class SettingList(Struct):
    """All settings of the service."""

    settings: Sequence[SettingInForce]


class SettingRoutes:
    """Shows the settings."""

    def __init__(self, settings: Sequence[SettingInForce]) -> None:
        self._settings = settings

    async def list_settings(self, _: Call[Any, Any]) -> Answer:
        """List the settings with which the service was started, and where each comes from.

        Values and defaults are written as a flag or a variable takes them. `given_as` is what the
        source calls the setting, null for a default. No value contains a secret.
        """
        return Answer(SettingList(settings=self._settings))
