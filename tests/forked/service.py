"""A service that is forked, for tests of one that runs."""

from taskqueue.testing.process import ServiceProcess
from tests.forked.process import ForkedProcess, forked


class ForkedService(ServiceProcess):
    """`taskqueue` in a folder, as its parent class starts it, but without what a start takes."""

    async def started(self, *arguments: str) -> ForkedProcess:
        """Fork it."""
        return await forked(*arguments, cwd=self._folder, env=self.env(), limit=self.line_bytes)
