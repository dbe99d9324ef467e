"""How many examples Hypothesis tries: all, or a fifth with `--hypothesis-profile quick`.

`bin/test` is run before each commit and has the profile `quick`; `bin/test --all` tries all.
"""

from hypothesis import settings

ALL = settings.get_profile("default").max_examples


def register() -> None:
    """Make the profile known."""
    settings.register_profile("quick", settings.get_profile("default"), max_examples=ALL // 5)


def share_of(examples: int) -> int:
    """Return how many of so many examples the profile asks for."""
    return max(1, examples * settings.default.max_examples // ALL)
