"""What was found, as it is shown. Pure."""

import textwrap

from taskqueue.structs import Struct

_NAME, _VALUE, _WIDTH = 30, 12, 96


class Finding(Struct):
    """One figure; `means` says what it stands for, and what to turn if it is too small."""

    name: str
    value: float
    unit: str
    means: str


def shown(finding: Finding) -> str:
    """Return a finding as lines of text: name and figure below each other's, then the sentence."""
    head = f"{finding.name:<{_NAME}}{number(finding.value):>{_VALUE}} {finding.unit}"
    body = textwrap.fill(finding.means, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{head}\n{body}"


def number(value: float) -> str:
    """Return three digits that mean something.

    >>> number(12_345.6), number(3.14159), number(0.0271)
    ('12,300', '3.14', '0.0271')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
