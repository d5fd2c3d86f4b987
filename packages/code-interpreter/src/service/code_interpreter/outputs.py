"""Standard output and standard error of a kernel."""

import asyncio
import codecs
import os
from datetime import datetime, timezone

CHUNK = 64 * 1024

# What is printed in pieces becomes one line of the response.
GATHER_SEC = 0.02

# A pipe of Linux has no more than this: all that was written before a moment.
PIPE_CAPACITY = 64 * 1024


class Outputs:
    """
    Reads two pipes as long as the kernel lives. While a cell runs, text goes to its sink; a sink that waits makes the kernel
    wait. Between cells text is discarded, so that background processes are never blocked.
    """

    def __init__(self):
        self._pipes = {}
        self._children = {}
        for name in ("stdout", "stderr"):
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._pipes[name] = (ours, decoder)
            self._children[name] = theirs
        self._sink = None
        self._is_closed = False
        self._turn = asyncio.Lock()
        self._task = asyncio.ensure_future(self._forward())

    def child(self, name):
        """The descriptor for the kernel; see `started`."""
        return self._children[name]

    def started(self):
        """Closes our copies of the kernel's ends."""
        for descriptor in self._children.values():
            os.close(descriptor)
        self._children = {}

    def attach(self, sink):
        self._sink = sink

    def detach(self):
        self._sink = None

    async def drain(self):
        """Passes on what was written until now."""
        async with self._turn:
            for name, (descriptor, decoder) in self._pipes.items():
                left = PIPE_CAPACITY
                while left > 0 and not self._is_closed:
                    data = _read(descriptor)
                    if not data:
                        break
                    left -= len(data)
                    await self._pass(name, decoder.decode(data))

    async def close(self):
        # Whoever passes text on must not read from descriptors that are someone else's by then.
        self._is_closed = True
        self._task.cancel()
        await asyncio.wait([self._task])
        self.started()
        for descriptor, _ in self._pipes.values():
            os.close(descriptor)

    async def _forward(self):
        waiting = {asyncio.ensure_future(self._forward_one(name)) for name in self._pipes}
        try:
            await asyncio.wait(waiting)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _forward_one(self, name):
        descriptor, decoder = self._pipes[name]
        while True:
            await _readable(descriptor)
            await asyncio.sleep(GATHER_SEC)
            async with self._turn:
                data = _read(descriptor)
                if data == b"":
                    return
                if data:
                    await self._pass(name, decoder.decode(data))

    async def _pass(self, name, text):
        if text and self._sink is not None:
            timestamp = datetime.now(timezone.utc).isoformat()
            await self._sink({"type": name, "text": text, "timestamp": timestamp})


def _read(descriptor):
    """Bytes that are there; empty at the end, None when there are none yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None


async def _readable(descriptor):
    loop = asyncio.get_running_loop()
    found = loop.create_future()
    loop.add_reader(descriptor, lambda: found.done() or found.set_result(None))
    try:
        await found
    finally:
        loop.remove_reader(descriptor)
