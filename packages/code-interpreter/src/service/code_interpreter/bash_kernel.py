"""
Bash: an interactive shell without a terminal. Only interactive shells return to their next command when they are interrupted;
all others end, or go on with what they did.
"""

import asyncio
import os
import shlex

from .kernel import KernelDied
from .process_kernel import ProcessKernel
from .results import error_line


class BashKernel(ProcessKernel):
    stdin = asyncio.subprocess.PIPE

    def __init__(self):
        super().__init__()
        self._cells = -1
        self._answers = -1
        self._environment = None
        self._runs = False
        self._interrupted = False

    def argv(self, commands, reports):
        self._cells, self._answers = commands, reports
        return ["bash", "--noprofile", "--norc", "--noediting", "-i"]

    def environment(self):
        return {"PS1": "", "PS2": ""}

    async def start(self, cwd, environment):
        self._environment = environment
        await super().start(cwd, environment)

    async def greet(self):
        await self._type(f"set +H +o history; PS1= PS2= PROMPT_COMMAND=\nprintf '0\\n' >&{self._answers}\n")
        await self.report()
        # Bash reports there that it has no terminal.
        await self.drain()

    async def run(self, cell, emit):
        if "\0" in cell.code:
            await emit(error_line("ValueError", "the code has a NUL character"))
            return
        lines = []
        if cell.environment != self._environment:
            self._environment = cell.environment
            lines += [f"export {name}={shlex.quote(value)}" for name, value in cell.environment.items()]
        for name, value in cell.variables.items():
            lines.append(f"__wrenn_was_{name}=$(declare -p {name} 2>/dev/null)")
            lines.append(f"export {name}={shlex.quote(value)}")
        lines.append(f"IFS= read -r -d '' -u {self._cells} __wrenn_cell")
        # On one line: an interrupt ends all of it. One that comes before the report would leave the cell in its pipe.
        lines.append(
            f"printf 'started\\n' >&{self._answers}; "
            f'eval "$__wrenn_cell" </dev/null {self._cells}<&- {self._answers}>&-'
        )
        lines.append("__wrenn_status=$?")
        for name in cell.variables:
            lines.append(f"unset -v {name}; eval \"${{__wrenn_was_{name}}}\"; unset -v __wrenn_was_{name}")
        lines.append(f"printf '%s\\n' \"$__wrenn_status\" >&{self._answers}")
        await self._type("".join(f"{line}\n" for line in lines))
        # Behind the lines: a pipe holds no more than 64 KiB before it is read.
        await self.command(cell.code.encode("utf-8", "replace") + b"\0")
        await self.report()
        self._runs = True
        if self._interrupted:
            super().interrupt()
        try:
            status = int(await self.report())
        finally:
            self._runs = self._interrupted = False
        if status != 0:
            await self.drain()
            await emit(error_line("ExitStatus", str(status)))

    def interrupt(self):
        if self._runs:
            super().interrupt()
        else:
            self._interrupted = True

    async def _type(self, text):
        stdin = self._process.stdin
        try:
            stdin.write(text.encode("utf-8", "surrogateescape"))
            await stdin.drain()
        except OSError as error:
            raise KernelDied(os.strerror(error.errno or 0)) from error
