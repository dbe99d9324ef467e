"""Measures in a program of its own, which says what it found in its last line."""

import subprocess
import sys

from benchmarks.harness import Measure


def program(module: str, *arguments: str) -> Measure:
    """Run `python -m module arguments… seconds` for each measurement; read all that it prints.

    The last line of its standard output is the number; what comes before is read as a log would
    be, line by line. Its standard error is ours.
    """

    def measured(seconds: float) -> float:
        command = [sys.executable, "-m", module, *arguments, str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            last = ""
            for line in running.stdout:
                last = line
        if running.returncode != 0:
            raise subprocess.CalledProcessError(running.returncode, command)
        return float(last)

    return measured
