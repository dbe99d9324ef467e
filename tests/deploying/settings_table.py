"""The table of settings in docs/operating.md: `python -m tests.deploying.settings_table`."""

import re

from taskqueue.settings import OPTIONS, Option
from tests.deploying.environments import ROOT

PAGE = ROOT / "docs/operating.md"

_PLACE = re.compile(r"(<!-- settings: .* -->\n).*?(<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return a row for each setting, in the order of `--help`."""
    header = "| setting | default | meaning | accepts |\n| -- | -- | -- | -- |\n"
    return header + "".join(map(_row, OPTIONS))


def _row(option: Option) -> str:
    default = option.kind.spell(option.default)
    accepted = option.kind.expected.partition(" (such as")[0].replace("|", "\\|")
    return f"| `{option.key}` | {default and f'`{default}`'} | {option.help} | {accepted} |\n"


def renewed(page: str) -> str:
    """Return the page with the table as it has to be."""
    return _PLACE.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
