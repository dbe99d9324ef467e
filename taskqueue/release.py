"""The release that is installed. Its distribution has another name than the package.

    pip install taskqueue-otp      import taskqueue

`taskqueue` on the package index is another project.
"""

import sys
from functools import cache
from importlib import metadata

DISTRIBUTION = "taskqueue-otp"


@cache
def version() -> str:
    """Return its version; `(not installed)` if the package is only on the import path."""
    places: list[object] = [*sys.path]  # an app may put anything there
    folders = [each for each in places if isinstance(each, str)]
    found = metadata.distributions(name=DISTRIBUTION, path=folders)
    return next((each.version for each in found), "(not installed)")
