"""The settings with which a service runs: each value, and where it comes from."""

from taskqueue.settings.model import Settings
from taskqueue.settings.options import OPTIONS, Option
from taskqueue.settings.origins import Origin, Source
from taskqueue.structs import Struct


class SettingInForce(Struct):
    """One setting. Value and default are written as a flag or a variable takes them."""

    name: str
    value: str
    default: str
    source: Source
    given_as: str | None
    """What the source calls it; None for a default."""
    description: str


def in_force(settings: Settings) -> tuple[SettingInForce, ...]:
    """Return the settings of a service, in the order of `--help`.

    Those of engines that it does not use are left out. No value contains a password.
    """
    return tuple(
        _shown(option, settings)
        for option in OPTIONS
        if option.engine in {None, settings.database.scheme}
    )


def _shown(option: Option, settings: Settings) -> SettingInForce:
    value = option.value_in(settings)
    origin = settings.origins.get(option.key) or _guessed(option, value)
    return SettingInForce(
        name=option.key,
        value=option.kind.spell(value),
        default=option.kind.spell(option.default),
        source=origin.source,
        given_as=None if origin.source == "default" else origin.name,
        description=option.help,
    )


def _guessed(option: Option, value: object) -> Origin:
    """Return where a value comes from that no source of `load` has given."""
    source: Source = "default" if value == option.default else "program"
    return Origin(source=source, name=option.key)
