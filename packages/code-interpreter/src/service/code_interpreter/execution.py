"""The lines of one run of a cell, between its kernel and its client."""

import asyncio

# Lines that wait for a client that does not read. Then the kernel waits.
MOST_WAITING = 16

# Results cannot wait in the kernel, and are bounded here, in characters.
MOST_RESULTS = 64 * 2**20


class Execution:
    """One run of a cell: its lines, in order, for one reader. Without a reader the cell is interrupted."""

    def __init__(self):
        self._lines = []
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self.is_abandoned = asyncio.Event()
        self.is_overfull = False

    async def emit(self, line):
        """Adds a line. What is printed waits for room; results are counted."""
        if line["type"] in ("stdout", "stderr"):
            while len(self._lines) >= MOST_WAITING and not self.is_abandoned.is_set():
                self._room.clear()
                await self._room.wait()
        if self.is_abandoned.is_set():
            return
        size = _size_of(line)
        if self._size + size > MOST_RESULTS and line["type"] != "end_of_execution":
            self.is_overfull = True
            return
        self._size += size
        self._lines.append((line, size))
        self._changed.set()

    async def next_line(self):
        """The next line; waits for it."""
        while not self._lines:
            self._changed.clear()
            await self._changed.wait()
        line, size = self._lines.pop(0)
        self._size -= size
        self._room.set()
        return line

    def abandon(self):
        """The reader is gone."""
        self.is_abandoned.set()
        self._lines.clear()
        self._room.set()


def _size_of(value):
    if isinstance(value, dict):
        return sum(_size_of(one) for one in value.values())
    if isinstance(value, list):
        return sum(_size_of(one) for one in value)
    return len(value) if isinstance(value, str) else 8
