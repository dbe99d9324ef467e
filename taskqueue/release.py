"""The release that is installed. Its distribution has another name than the package.

    pip install taskqueue-otp      import taskqueue

`taskqueue` on the package index is another project.
"""

from importlib import metadata

DISTRIBUTION = "taskqueue-otp"


def version() -> str:
    """Return its version; `(not installed)` if the package is only on the import path."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "(not installed)"
