"""Commands: in the foreground, in the background, streamed."""

from types import SimpleNamespace

from commands import run, start
from sockets import Socket


class Commands:
    def __init__(self, api, capsule_id):
        self._api, self._id = api, capsule_id
        self._path = f"/v1/capsules/{capsule_id}"

    def run(self, command, *, background=False, timeout=30, **fields):
        given = {name: value for name, value in fields.items() if value is not None}
        if background:
            return SimpleNamespace(**start(self._api, self._id, command, **given))
        return SimpleNamespace(**run(self._api, self._id, command, timeout, **given))

    def list(self):
        return [SimpleNamespace(**entry) for entry in self._api.get(f"{self._path}/processes")["processes"]]

    def kill(self, pid):
        self._api.delete(f"{self._path}/processes/{pid}")

    def connect(self, pid):
        with Socket(self._api, f"{self._path}/processes/{pid}/stream") as socket:
            yield from events(socket)

    def stream(self, command, args=()):
        program = {"cmd": command, "args": list(args)} if args else {"cmd": "/bin/sh", "args": ["-c", command]}
        with Socket(self._api, f"{self._path}/exec/stream") as socket:
            socket.send({"type": "start", **program})
            yield from events(socket)


def events(socket):
    for message in socket.messages():
        yield SimpleNamespace(**message)
        if message["type"] in ("exit", "error"):
            return
