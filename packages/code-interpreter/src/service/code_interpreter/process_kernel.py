"""Kernels that take commands over pipes: JavaScript and Bash."""

import asyncio
import os
import signal

from .kernel import Kernel, KernelDied
from .outputs import Outputs

READY_SEC = 60

# The largest line that a kernel reports: pictures are in it.
LARGEST_REPORT = 64 * 2**20


class ProcessKernel(Kernel):
    """
    A process with its standard output and error, a pipe for what it runs and a pipe for what it reports. Subclasses say what
    is written and how reports are read.
    """

    interruption_sec = 15

    def __init__(self):
        self._process = None
        self._outputs = None
        self._reports = None
        self._closing = []
        self._commands = -1
        self._commanding = asyncio.Lock()
        self.count = 0

    def argv(self, commands, reports):
        """Program and arguments, given the numbers of the kernel's ends of the pipes."""
        raise NotImplementedError

    def environment(self):
        """Variables of the kernel itself."""
        return {}

    stdin = asyncio.subprocess.DEVNULL

    async def start(self, cwd, environment):
        self._outputs = Outputs()
        theirs, self._commands = os.pipe()
        ours, reports = os.pipe()
        loop = asyncio.get_running_loop()
        self._reports = asyncio.StreamReader(limit=LARGEST_REPORT, loop=loop)
        reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reports), os.fdopen(ours, "rb", 0)
        )
        self._closing.append(reading.close)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.argv(theirs, reports),
                cwd=cwd,
                env={**os.environ, **environment, **self.environment()},
                stdin=self.stdin,
                stdout=self._outputs.child("stdout"),
                stderr=self._outputs.child("stderr"),
                pass_fds=(theirs, reports),
                start_new_session=True,
            )
        except OSError as error:
            raise KernelDied(str(error)) from error
        finally:
            os.close(theirs)
            os.close(reports)
            self._outputs.started()
        try:
            await asyncio.wait_for(self.greet(), READY_SEC)
        except asyncio.TimeoutError:
            raise KernelDied("the kernel did not start in time") from None

    async def greet(self):
        """Waits for the first report, and discards what was printed before it."""
        await self.report()
        await self.drain()

    async def execute(self, cell, emit):
        self.count += 1
        self._outputs.attach(emit)
        try:
            await emit({"type": "number_of_executions", "execution_count": self.count})
            await self.run(cell, emit)
            await self._outputs.drain()
        finally:
            self._outputs.detach()

    async def run(self, cell, emit):
        """Runs a cell until its last report."""
        raise NotImplementedError

    async def report(self):
        """The next line of the kernel's reports."""
        try:
            line = await self._reports.readline()
        except ValueError as error:
            raise KernelDied("it has reported more than 64 MiB at once") from error
        if line.endswith(b"\n"):
            return line
        code = await self._process.wait()
        if self._outputs is not None:
            await self._outputs.drain()
        raise KernelDied(f"exit code {code}" if code >= 0 else f"signal {-code}")

    async def command(self, data):
        """Writes to the pipe for commands, one command after the other, without blocking this process."""
        loop = asyncio.get_running_loop()
        try:
            async with self._commanding:
                await loop.run_in_executor(None, _write_all, self._commands, data)
        except OSError as error:
            raise KernelDied(str(error)) from error

    async def drain(self):
        """Delivers what was printed until now."""
        await self._outputs.drain()

    def signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def interrupt(self):
        self.signal(signal.SIGINT)

    async def close(self):
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self._process.wait()
        for close in self._closing:
            close()
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1
        if self._outputs is not None:
            await self._outputs.close()


def _write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
