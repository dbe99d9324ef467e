"""`python -m taskqueue`: the same as the `taskqueue` command."""

from taskqueue.cli import main

main()
