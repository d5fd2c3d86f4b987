"""Terminals as version 0.1.2 of the package uses them: JSON with base64."""

import base64
from types import SimpleNamespace

from sockets import Socket


class Terminal:
    def __init__(self, api, capsule_id, cols, rows):
        self._socket = Socket(api, f"/v1/capsules/{capsule_id}/pty")
        self._socket.send({"type": "start", "cmd": "/bin/bash", "cols": cols, "rows": rows})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.__exit__()

    def write(self, data):
        self._socket.send({"type": "input", "data": base64.b64encode(data).decode()})

    def __iter__(self):
        for message in self._socket.messages():
            if message["type"] == "output":
                message["data"] = base64.b64decode(message["data"])
            yield SimpleNamespace(**message)
            if message["type"] in ("exit", "error"):
                return
