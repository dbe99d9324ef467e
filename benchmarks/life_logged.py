"""Tasks per second in a process that writes its log as the service does, or none.

python -m benchmarks.life_logged info 0.5     # with a JSON line for each event
python -m benchmarks.life_logged none 0.5     # without

In a process of its own, because a logger keeps the configuration that it found at its first use.
"""

import argparse

from benchmarks.harness import silence_logs
from benchmarks.life import end_to_end
from taskqueue.logs import pipeline as logs


def main() -> None:
    """Measure; the last line is the rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", choices=("info", "none"))
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    if options.log == "none":
        silence_logs()
    else:
        logs.configure("json", options.log)
    with logs.buffered():
        rate = end_to_end()(options.seconds)
    print(rate, flush=True)


if __name__ == "__main__":
    main()
