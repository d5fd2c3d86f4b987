"""Contexts: kernels with an identity, in which clients run cells one after the other."""

import asyncio
import logging
import os
import uuid

from .execution import Execution
from .kernel import KernelDied
from .results import error_line

LANGUAGES = {
    "python": "python",
    "py": "python",
    "javascript": "javascript",
    "js": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
    "bash": "bash",
    "sh": "bash",
}

# JavaScript and TypeScript share their default context.
KERNEL_OF = {"python": "python", "javascript": "javascript", "typescript": "javascript", "bash": "bash"}

NOT_OFFERED = frozenset(["r", "java"])

MOST_CONTEXTS = 64

INTERRUPT_EVERY_SEC = 0.5


class RequestProblem(Exception):
    """A request that cannot be answered, with its HTTP status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def language_of(name):
    """The language that a client names. Raises RequestProblem."""
    if not isinstance(name, str):
        raise RequestProblem(400, "language must be a string")
    known = LANGUAGES.get(name.lower())
    if known is not None:
        return known
    if name.lower() in NOT_OFFERED:
        raise RequestProblem(
            400,
            f"{name} is not offered here: use python, javascript, typescript or bash. "
            "See docs/reference/e2b-coverage.md for what is left out, and why.",
        )
    raise RequestProblem(400, f"unknown language {name[:100]!r}: use python, javascript, typescript or bash")


class Context:
    """A kernel that is started when it is first needed, and again after its end."""

    def __init__(self, language, cwd, make_kernel, read_environment):
        self.id = str(uuid.uuid4())
        self.language = language
        self.cwd = cwd
        self._make_kernel = make_kernel
        self._read_environment = read_environment
        self._kernel = None
        self._lock = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._running = set()
        self._is_closed = False

    def describe(self):
        return {"id": self.id, "language": self.language, "cwd": self.cwd}

    async def start(self):
        """Starts the kernel unless it runs. Raises KernelDied."""
        async with self._starting:
            if self._is_closed:
                raise KernelDied("the context was removed")
            if self._kernel is None:
                kernel = self._make_kernel(self.language)
                try:
                    await kernel.start(self.cwd, self._read_environment())
                except BaseException:
                    await kernel.close()
                    raise
                self._kernel = kernel
            return self._kernel

    def execute(self, make_cell):
        """Begins to run a cell, behind those that were begun before."""
        execution = Execution()
        task = asyncio.ensure_future(self._run(make_cell, execution))
        # The event loop itself does not keep tasks alive.
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return execution

    async def _run(self, make_cell, execution):
        try:
            async with self._lock:
                if not execution.is_abandoned.is_set():
                    await self._run_now(make_cell, execution)
        except KernelDied as error:
            await execution.emit(error_line("KernelDied", f"{error}. The next cell starts a new kernel."))
        except Exception as error:
            logging.exception("a cell could not be run")
            await execution.emit(error_line("InternalError", repr(error)))
        finally:
            if execution.is_overfull:
                await execution.emit(
                    error_line("OutputLimitExceeded", "the client has not read 64 MiB of results in time")
                )
            await execution.emit({"type": "end_of_execution"})

    async def _run_now(self, make_cell, execution):
        kernel = await self.start()
        if execution.is_abandoned.is_set():
            return
        running = asyncio.ensure_future(kernel.execute(make_cell(self._read_environment()), execution.emit))
        interrupting = asyncio.ensure_future(self._interrupt_when_abandoned(kernel, execution))
        try:
            await running
        except KernelDied:
            await self._forget(kernel)
            raise
        finally:
            interrupting.cancel()

    async def _interrupt_when_abandoned(self, kernel, execution):
        """Goes on until the cell has ended: an interrupt may come while the kernel cannot take it."""
        while not execution.is_abandoned.is_set() and not execution.is_overfull:
            try:
                await asyncio.wait_for(execution.is_abandoned.wait(), INTERRUPT_EVERY_SEC)
            except asyncio.TimeoutError:
                pass
        waited = 0.0
        while kernel.interruption_sec is None or waited < kernel.interruption_sec:
            kernel.interrupt()
            await asyncio.sleep(INTERRUPT_EVERY_SEC)
            waited += INTERRUPT_EVERY_SEC
        await self._forget(kernel)

    async def _forget(self, kernel):
        if self._kernel is kernel:
            self._kernel = None
            await kernel.close()

    async def restart(self):
        """Ends the kernel with whatever runs in it, and starts a new one. Raises KernelDied."""
        kernel = self._kernel
        if kernel is not None:
            await self._forget(kernel)
        await self.start()

    async def close(self):
        self._is_closed = True
        kernel = self._kernel
        if kernel is not None:
            await self._forget(kernel)


class Contexts:
    """The contexts of one capsule, by their ids."""

    def __init__(self, make_kernel, read_environment, default_cwd):
        self._make_kernel = make_kernel
        self._read_environment = read_environment
        self._default_cwd = default_cwd
        self._contexts = {}
        self._defaults = {}

    def default_of(self, language):
        """The default context of a language; its kernel is started when it is needed."""
        kernel = KERNEL_OF[language]
        context = self._contexts.get(self._defaults.get(kernel))
        if context is None:
            context = self._new(kernel, self._default_cwd)
            self._defaults[kernel] = context.id
            self._contexts[context.id] = context
        return context

    async def create(self, language, cwd):
        """A context with a running kernel. Raises RequestProblem, KernelDied."""
        cwd = self._default_cwd if cwd is None else cwd
        if not isinstance(cwd, str) or not os.path.isdir(cwd):
            raise RequestProblem(400, f"cwd {str(cwd)[:200]!r} is not a directory")
        if len(self._contexts) >= MOST_CONTEXTS:
            raise RequestProblem(429, f"there are {MOST_CONTEXTS} contexts: remove one first")
        context = self._new(language, cwd)
        self._contexts[context.id] = context
        try:
            await context.start()
        except BaseException:
            self._contexts.pop(context.id, None)
            raise
        return context

    def all(self):
        return list(self._contexts.values())

    def get(self, identity):
        """Raises RequestProblem."""
        context = self._contexts.get(identity) if isinstance(identity, str) else None
        if context is None:
            raise RequestProblem(404, f"Context {str(identity)[:100]} not found")
        return context

    async def remove(self, identity):
        """Raises RequestProblem."""
        context = self.get(identity)
        del self._contexts[identity]
        await context.close()

    async def close(self):
        await asyncio.gather(*(context.close() for context in self.all()))

    def _new(self, language, cwd):
        return Context(language, cwd, self._make_kernel, self._read_environment)
