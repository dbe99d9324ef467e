"""Compare what actors and Erlang's processes do with the same scripts.

python -m tests.otp.pairs                            compare with what was recorded
python -m tests.otp.pairs --record                   run Erlang, and write otp.tsv
python -m tests.otp.pairs --seconds 60 --seed 7      compare random scripts, with Erlang here
"""

import argparse
import secrets
import sys

from tests.otp.pairs import compare, random_scripts


def main(arguments: list[str] | None = None) -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.otp.pairs", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--seconds", type=float, metavar="N", help="compare random scripts so long")
    parser.add_argument("--seed", type=int, metavar="S", help="default: drawn, and printed")
    options = parser.parse_args(arguments)

    if options.seconds is not None:
        seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
        return random_scripts.main(seed, options.seconds)
    if options.record:
        compare.RECORDED.write_text(compare.run_erlang(compare.CASES))
    return compare.main()


if __name__ == "__main__":
    sys.exit(main())
