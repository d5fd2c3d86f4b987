"""Terminals, as the SDK's sessions use them."""

import base64

from checks import check
from sockets import Socket

KNOWN = {"started", "output", "exit", "error", "ping"}


def output_of(messages):
    assert {message["type"] for message in messages} <= KNOWN, messages
    return b"".join(base64.b64decode(message["data"]) for message in messages if message["type"] == "output").decode()


def read_until(socket, text):
    seen = []
    for message in socket.messages():
        seen.append(message)
        if text in output_of(seen):
            return seen
    raise AssertionError(f"closed after {output_of(seen)!r}")


def type_in(socket, text):
    socket.send({"type": "input", "data": base64.b64encode(text.encode()).decode()})


@check("a terminal is started, typed into, resized, left, found again by its tag, and ended")
def session(api, capsule_id):
    path = f"/v1/capsules/{capsule_id}/pty"
    with Socket(api, path) as socket:
        socket.send({"type": "start", "cmd": "/bin/bash", "cols": 80, "rows": 24, "envs": {"NAME": "terminal"}})
        (started,) = socket.until(lambda message: message["type"] == "started")
        assert started["pid"] > 0 and started["tag"], started
        type_in(socket, 'echo "I am $NAME, $((40 + 2))"\n')
        read_until(socket, "I am terminal, 42")
        socket.send({"type": "resize", "cols": 132, "rows": 50})
        type_in(socket, "stty size\n")
        read_until(socket, "50 132")
    with Socket(api, path) as socket:
        socket.send({"type": "connect", "tag": started["tag"]})
        type_in(socket, "echo still $((1 + 1)); exit 9\n")
        messages = read_until(socket, "still 2")
        if messages[-1]["type"] != "exit":
            messages += socket.until_exit()
    assert messages[-1]["exit_code"] == 9, messages


@check("a killed terminal ends")
def killed(api, capsule_id):
    with Socket(api, f"/v1/capsules/{capsule_id}/pty") as socket:
        socket.send({"type": "start", "cmd": "/bin/sh", "args": ["-c", "sleep 300"], "cols": 80, "rows": 24})
        socket.until(lambda message: message["type"] == "started")
        socket.send({"type": "kill"})
        assert socket.until_exit()[-1]["type"] == "exit"


@check("a tag that is not there is a fatal error")
def unknown(api, capsule_id):
    with Socket(api, f"/v1/capsules/{capsule_id}/pty") as socket:
        socket.send({"type": "connect", "tag": "nowhere"})
        (message,) = socket.until_exit()
    assert message["type"] == "error" and message["fatal"] is True, message
