"""Commands: in the foreground, in the background, streamed."""

import base64
import time

from checks import check, refused
from sockets import Socket


def run(api, capsule_id, command, timeout=30, **fields):
    body = {"cmd": "/bin/sh", "args": ["-c", command], "background": False, "timeout_sec": timeout, **fields}
    result = api.post(f"/v1/capsules/{capsule_id}/exec", body, timeout=timeout + 10)
    if result.get("encoding") == "base64":
        for name in ("stdout", "stderr"):
            result[name] = base64.b64decode(result.get(name) or "").decode(errors="replace")
    return result


def start(api, capsule_id, command, **fields):
    body = {"cmd": "/bin/sh", "args": ["-c", command], "background": True, **fields}
    return api.post(f"/v1/capsules/{capsule_id}/exec", body, timeout=None)


def said(events, kind):
    """All that one output said: a program may write it in any number of pieces."""
    return "".join(event["data"] for event in events if event["type"] == kind)


def listed(api, capsule_id):
    return api.get(f"/v1/capsules/{capsule_id}/processes")["processes"]


@check("output, errors, exit code and duration of a command")
def foreground(api, capsule_id):
    result = run(api, capsule_id, "echo out; echo err >&2; exit 7")
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("out\n", "err\n", 7), result
    assert isinstance(result["duration_ms"], int), result


@check("environment and directory of a command; without, root's home")
def surroundings(api, capsule_id):
    assert run(api, capsule_id, 'echo "$GREETING"', envs={"GREETING": "good day"})["stdout"] == "good day\n"
    assert run(api, capsule_id, "pwd", cwd="/tmp")["stdout"] == "/tmp\n"
    assert run(api, capsule_id, "pwd; echo $HOME; id -un")["stdout"] == "/root\n/root\nroot\n"


@check("several lines, and bytes that are no text")
def output(api, capsule_id):
    assert len(run(api, capsule_id, "printf 'a\\nb\\nc\\n'")["stdout"].splitlines()) == 3
    assert run(api, capsule_id, "printf 'a\\377b'")["stdout"] == "a\ufffdb"


@check("a background command has a pid and a tag, is listed, and is gone half a second after it was killed")
def background(api, capsule_id):
    handle = start(api, capsule_id, "sleep 300", tag="sleeper")
    assert handle["pid"] > 0 and handle["tag"] == "sleeper", handle
    (entry,) = [item for item in listed(api, capsule_id) if item["pid"] == handle["pid"]]
    assert (entry["tag"], entry["cmd"], entry["args"]) == ("sleeper", "/bin/sh", ["-c", "sleep 300"]), entry
    api.delete(f"/v1/capsules/{capsule_id}/processes/{handle['pid']}")
    time.sleep(0.5)
    assert handle["pid"] not in [item["pid"] for item in listed(api, capsule_id)]
    refused("not_found", lambda: api.delete(f"/v1/capsules/{capsule_id}/processes/4000000000"))


@check("the output of a background command is followed to its exit")
def followed(api, capsule_id):
    handle = start(api, capsule_id, "sleep 1; echo late; exit 3")
    assert handle["tag"], handle
    with Socket(api, f"/v1/capsules/{capsule_id}/processes/{handle['pid']}/stream") as socket:
        events = socket.until_exit()
    assert said(events, "stdout") == "late\n", events
    assert events[-1]["exit_code"] == 3, events


@check("a streamed command tells its start, both outputs and its exit, then the socket closes")
def streamed(api, capsule_id):
    with Socket(api, f"/v1/capsules/{capsule_id}/exec/stream") as socket:
        socket.send({"type": "start", "cmd": "/bin/sh", "args": ["-c", "echo a; echo b >&2; exit 4"]})
        events = socket.until_exit()
    assert events[0]["type"] == "start" and events[0]["pid"] > 0, events
    assert (said(events, "stdout"), said(events, "stderr")) == ("a\n", "b\n"), events
    assert events[-1]["exit_code"] == 4, events


@check("a program that is not there is the shell's exit code and its words")
def missing(api, capsule_id):
    with Socket(api, f"/v1/capsules/{capsule_id}/exec/stream") as socket:
        socket.send({"type": "start", "cmd": "/nowhere", "args": ["x"]})
        events = socket.until_exit()
    assert events[-1]["exit_code"] == 127 and "not found" in said(events, "stderr"), events
