"""`python -m taskqueue`: the same as the `taskqueue` command."""

import sys

# `-m` has put the working folder first on the path. Files of the user there, such as `queue.py` or
# `http.py`, would be imported in the place of the standard library's; the app is looked for later.
if not sys.flags.safe_path:
    del sys.path[0]

from taskqueue.cli.command import main

main()
