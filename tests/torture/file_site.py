"""A site whose disk fails on command."""

from pathlib import Path

from taskqueue.verification.site import Site
from tests.bytecode import KEPT, fill
from tests.disk.faulty import CommandedDisk


class FileSite(Site):
    """A site with faults of the disk, where there is a C compiler."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.disk = CommandedDisk.built_in(folder)  # None where there is no C compiler
        fill()

    def variables(self) -> dict[str, str]:
        disk = {} if self.disk is None else self.disk.env
        return KEPT | disk
