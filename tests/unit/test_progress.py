"""How far a long command is, said where no person sees a bar move."""

import pytest

from taskqueue.cli.progress import LINE_S, Lines


def test_a_line_comes_at_the_end_of_each_interval(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter((100.0, 104.9, 100.0 + LINE_S, 106.0, 111.0))
    lines = Lines("copy", clock.__next__)

    for done in (1, 250_000, 300_000, 1_000_000):
        lines.move(done, 1_000_000)

    assert capsys.readouterr().err.splitlines() == [
        "copy: 250,000 of 1,000,000 rows (25 %)",
        "copy: 1,000,000 of 1,000,000 rows (100 %)",
    ]
