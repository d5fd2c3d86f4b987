"""Python: an ipykernel, which speaks Jupyter's protocol over sockets in a directory of this user."""

import asyncio
import os
import queue
import sys
import uuid

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from .kernel import Kernel, KernelDied
from .outputs import Outputs
from .results import error_line, result_line

# Modules that are imported beforehand take a minute in an emulated machine.
READY_SEC = 300
LOOK_SEC = 0.5


class OwnKernelSpecs(KernelSpecManager):
    """Knows the one kernel of this service, whatever is installed in the home of the user."""

    def __init__(self, program):
        super().__init__()
        self._program = program

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-u", self._program, "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


class PythonKernel(Kernel):
    def __init__(self, directory, program, preload=()):
        self._directory = directory
        self._program = program
        self._preload = preload
        self._manager = None
        self._client = None
        self._outputs = None
        self._interrupting = None

    async def start(self, cwd, environment):
        context = zmq.asyncio.Context()
        # What a kernel publishes must not be dropped: the end of the cell is among it.
        context.rcvhwm = 0
        name = uuid.uuid4().hex
        self._manager = AsyncKernelManager(
            context=context,
            transport="ipc",
            ip=os.path.join(self._directory, name),
            connection_file=os.path.join(self._directory, f"{name}.json"),
            kernel_spec_manager=OwnKernelSpecs(self._program),
            kernel_name="wrenn",
        )
        self._outputs = Outputs()
        await self._manager.start_kernel(
            cwd=cwd,
            env={**os.environ, **environment, "WRENN_PRELOAD": ",".join(self._preload)},
            stdout=self._outputs.child("stdout"),
            stderr=self._outputs.child("stderr"),
        )
        self._outputs.started()
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            await self._client.wait_for_ready(timeout=READY_SEC)
        except RuntimeError as error:
            raise KernelDied(f"the Python kernel did not start: {error}") from error

    async def execute(self, cell, emit):
        self._outputs.attach(emit)
        try:
            content = {
                "code": cell.code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                # Else the kernel would refuse cells that come right after a failure.
                "stop_on_error": False,
            }
            metadata = {"environment": cell.environment, "variables": cell.variables}
            message = self._client.session.msg("execute_request", content, metadata=metadata)
            self._client.shell_channel.send(message)
            await self._follow(message["header"]["msg_id"], emit)
            await self._outputs.drain()
        finally:
            self._outputs.detach()

    async def _follow(self, identity, emit):
        while True:
            message = await self._next_message()
            if message["parent_header"].get("msg_id") != identity:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                await self._take_reply(identity)
                return
            line = _line_of(kind, content)
            if line is not None:
                if kind != "execute_input":
                    await self._outputs.drain()
                await emit(line)

    async def _next_message(self):
        while True:
            try:
                return await self._client.get_iopub_msg(timeout=LOOK_SEC)
            except queue.Empty:
                if not await self._manager.is_alive():
                    raise KernelDied("the Python process has ended") from None

    async def _take_reply(self, identity):
        """Replies are not used, and must not pile up."""
        try:
            while True:
                reply = await self._client.get_shell_msg(timeout=LOOK_SEC)
                if reply["parent_header"].get("msg_id") == identity:
                    return
        except queue.Empty:
            return

    def interrupt(self):
        self._interrupting = asyncio.ensure_future(self._manager.interrupt_kernel())

    async def close(self):
        if self._client is not None:
            self._client.stop_channels()
        if self._manager is not None:
            await self._manager.shutdown_kernel(now=True)
            self._manager.context.destroy(linger=0)
        if self._outputs is not None:
            await self._outputs.close()


def _line_of(kind, content):
    if kind == "execute_input":
        return {"type": "number_of_executions", "execution_count": content["execution_count"]}
    if kind == "execute_result":
        return result_line(content["data"], True)
    if kind in ("display_data", "update_display_data"):
        return result_line(content["data"], False)
    if kind == "error":
        return error_line(content["ename"], content["evalue"], "\n".join(content["traceback"]))
    if kind == "stream":
        return {"type": content["name"], "text": content["text"]}
    return None
