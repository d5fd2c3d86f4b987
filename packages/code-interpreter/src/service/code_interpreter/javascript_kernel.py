"""JavaScript and TypeScript: a process of Node.js (../../javascript-kernel)."""

import asyncio
import json

from .kernel import KernelDied
from .process_kernel import ProcessKernel
from .results import error_line, result_line


class JavaScriptKernel(ProcessKernel):
    def __init__(self, node, program):
        super().__init__()
        self._node = node
        self._program = program
        self._environment = None
        self._interrupting = None

    def argv(self, commands, reports):
        # Experimental parts of Node.js that the kernel uses would be announced in the first cell's standard error.
        return [self._node, "--disable-warning=ExperimentalWarning", self._program, str(commands), str(reports)]

    async def start(self, cwd, environment):
        self._environment = environment
        await super().start(cwd, environment)

    async def run(self, cell, emit):
        command = {
            "type": "execute",
            "code": cell.code,
            "language": cell.language,
            "environment": cell.environment if cell.environment != self._environment else {},
            "variables": cell.variables,
        }
        self._environment = cell.environment
        await self.command(json.dumps(command).encode() + b"\n")
        while True:
            report = json.loads(await self.report())
            if report["type"] == "done":
                # One that was interrupted may be reported twice.
                if report["cell"] == self.count:
                    return
                continue
            await self.drain()
            if report["type"] == "exit":
                raise KernelDied(f"exit code {report['code']}")
            if report["type"] == "error":
                await emit(error_line(report["name"], report["value"], report["traceback"]))
                continue
            line = result_line(report["data"], report["main"])
            if line is not None:
                await emit(line)

    def interrupt(self):
        super().interrupt()
        # Node.js takes an interrupt while a cell waits; one that computes is ended by the kernel's second thread.
        self._interrupting = asyncio.ensure_future(self._interrupt_thread(self.count))

    async def _interrupt_thread(self, cell):
        try:
            await self.command(json.dumps({"type": "interrupt", "cell": cell}).encode() + b"\n")
        except KernelDied:
            # Whoever waits for the cell learns of it.
            pass
