"""A disk that fails, hesitates or stops on command, for all processes of a service.

    disk = FaultyDisk.built_in(folder)      # None where there is no C compiler
    service = await services.start(env=disk.env)
    with disk.fault("sync sleep 7000"):
        ...

`shim.c` lists the faults.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
NO_COMPILER = "no C compiler (`cc`) here to build the shim that makes a disk fail"


class FaultyDisk:
    """What is wrong with the disk now, as the shim reads it."""

    def __init__(self, library: Path, control: Path) -> None:
        self._library = library
        self._control = control
        self._set("")

    @classmethod
    def built_in(cls, folder: Path) -> "FaultyDisk | None":
        """Build the shim in `folder`; None where there is no compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            return None
        library = folder / "faults.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        return cls(library, folder / "faults")

    @property
    def env(self) -> Mapping[str, str]:
        """What a service needs in its environment."""
        return {"LD_PRELOAD": str(self._library), "DISK_FAULTS": str(self._control)}

    @contextlib.contextmanager
    def fault(self, *lines: str) -> Iterator[None]:
        """Have these faults while inside."""
        self._set("".join(f"{line}\n" for line in lines))
        try:
            yield
        finally:
            self._set("")

    def _set(self, text: str) -> None:
        # Replaced as a whole: the shim must not read half a line.
        new = self._control.with_name(f"{self._control.name}.new")
        new.write_text(text)
        new.replace(self._control)
