"""Sends what E2B's Python client 2.45 sends, with its paths, headers and JSON, and checks what it is answered.

Input, as JSON: `api` and `agent` (URLs), `apiKey`, `sandboxId` and `token` of the agent, `directory` for files.
Prints the name of each check that held; the first that fails ends it with its traceback.
"""

import base64
import gzip
import http.client
import json
import struct
import sys
import threading
import time
import zlib
from urllib.parse import quote, urlencode, urlsplit

given = json.load(sys.stdin)
# Login shells read no profile of who runs this.
HOME = {"HOME": given["directory"]}
USER_AGENT = "e2b-python-sdk/2.45.1"
PATIENCE_S = 20
# What httpx adds to every request.
HTTPX = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
CONTROL = {
    **HTTPX,
    "User-Agent": USER_AGENT,
    "X-API-Key": given["apiKey"],
    "lang": "python",
    "lang_version": "3.11.7",
    "package_version": "2.45.1",
    "publisher": "e2b",
    "sdk_runtime": "cpython",
    "system": "Linux",
}
AGENT = {
    **HTTPX,
    "User-Agent": USER_AGENT,
    "E2b-Sandbox-Id": given["sandboxId"],
    "E2b-Sandbox-Port": "49983",
    "X-Access-Token": given["token"],
}


def passed(name):
    print(name, flush=True)


class Pool:
    """One connection of HTTP/1.1 that is kept, as the client keeps those of its pool."""

    def __init__(self, url, headers):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
        self.headers = headers

    def open(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, {**self.headers, **(headers or {})})
        response = self.connection.getresponse()
        assert response.version == 11, response.version
        return response

    def call(self, method, path, body=None, headers=None):
        response = self.open(method, path, body, headers)
        content = response.read()
        encoding = response.getheader("Content-Encoding")
        if encoding == "gzip":
            content = gzip.decompress(content)
        elif encoding == "deflate":
            content = zlib.decompress(content)
        return response, content

    def json(self, method, path, fields=None):
        body = None if fields is None else json.dumps(fields).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        response, content = self.call(method, path, body, headers)
        return response.status, json.loads(content) if content else None, response


def basic(user):
    """The client chooses a user by a name without a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()}


class Rpc:
    """Connect's protocol with JSON, as the client speaks it."""

    def __init__(self, pool, user="root"):
        self.pool = pool
        self.headers = {"Connect-Protocol-Version": "1", **basic(user)}

    def unary(self, method, message):
        """The status and the message."""
        response, content = self.pool.call(
            "POST",
            f"/{method}",
            json.dumps(message).encode(),
            {**self.headers, "Content-Type": "application/json"},
        )
        return response.status, json.loads(content)

    def stream(self, method, message, timeout_ms=None):
        """The messages of the answer; the last one ends the stream."""
        payload = json.dumps(message).encode()
        headers = {
            **self.headers,
            "Content-Type": "application/connect+json",
            "Keepalive-Ping-Interval": "50",
        }
        if timeout_ms is not None:
            headers["Connect-Timeout-Ms"] = str(timeout_ms)
        frame = struct.pack(">BI", 0, len(payload)) + payload
        response = self.pool.open("POST", f"/{method}", frame, headers)
        assert response.status == 200, (response.status, response.read())
        assert response.getheader("Content-Type") == "application/connect+json"
        while True:
            head = response.read(5)
            assert len(head) == 5, f"the stream of {method} ended without its last frame"
            flags, length = struct.unpack(">BI", head)
            part = json.loads(response.read(length))
            if flags & 2:
                assert response.read() == b"", "nothing follows the last frame"
                yield {"last": part}
                return
            yield part


def start(command, envs=None, **more):
    """What `commands.run` sends."""
    envs = {**HOME, **(envs or {})}
    process = {"cmd": "/bin/bash", "args": ["-l", "-c", command], "envs": envs, **more}
    return {"process": process, "stdin": False}


def collect(messages):
    """Pid, output, error output, end and last frame of a process."""
    pid, out, err, end, last = None, b"", b"", None, None
    for message in messages:
        if "last" in message:
            last = message["last"]
            continue
        event = message["event"]
        if "start" in event:
            pid = event["start"]["pid"]
        elif "data" in event:
            out += base64.b64decode(event["data"].get("stdout", ""))
            err += base64.b64decode(event["data"].get("stderr", ""))
        elif "end" in event:
            end = event["end"]
    return pid, out, err, end, last


def check_control():
    api = Pool(given["api"], CONTROL)
    # Key and value are encoded by themselves, then as a form, then as a value of the query.
    marks = {"of python": "a&b=ü"}
    status, made, _ = api.json(
        "POST",
        "/sandboxes",
        {
            "templateID": "minimal",
            "metadata": marks,
            "timeout": 300,
            "envVars": {"A": "1"},
            "secure": True,
            "allow_internet_access": True,
            "autoPause": False,
        },
    )
    assert status == 201, (status, made)
    for field in ("sandboxID", "templateID", "clientID", "envdVersion", "envdAccessToken"):
        assert isinstance(made[field], str) and made[field], (field, made)
    assert "-" not in made["sandboxID"]
    sandbox = f"/sandboxes/{made['sandboxID']}"
    passed("create")

    form = urlencode({quote(key): quote(value) for key, value in marks.items()})
    query = urlencode({"metadata": form, "state": "running", "limit": 10})
    status, found, response = api.json("GET", f"/v2/sandboxes?{query}")
    assert status == 200 and [one["sandboxID"] for one in found] == [made["sandboxID"]], found
    assert found[0]["metadata"] == marks and found[0]["state"] == "running", found
    assert not response.getheader("X-Next-Token")
    status, info, _ = api.json("GET", sandbox)
    assert status == 200 and info["sandboxID"] == made["sandboxID"], info
    for field in ("startedAt", "endAt", "cpuCount", "memoryMB", "diskSizeMB"):
        assert field in info, (field, info)
    passed("list and info")

    assert api.json("POST", f"{sandbox}/timeout", {"timeout": 600})[0] == 204
    status, again, _ = api.json("POST", f"{sandbox}/connect", {"timeout": 30})
    assert status == 200 and again["envdAccessToken"] == made["envdAccessToken"], again
    now = int(time.time())
    status, metrics, _ = api.json("GET", f"{sandbox}/metrics?start={now - 60}&end={now}")
    assert status == 200 and isinstance(metrics, list), metrics
    passed("timeout, connect and metrics")

    assert api.json("POST", f"{sandbox}/pause")[0] == 204
    status, problem, _ = api.json("POST", f"{sandbox}/pause")
    assert (status, problem["code"]) == (409, 409), problem
    assert api.json("POST", f"{sandbox}/connect", {"timeout": 30})[0] == 201
    passed("pause and resume")

    assert api.json("DELETE", sandbox)[0] == 204
    for method, path, fields in (
        ("DELETE", sandbox, None),
        ("GET", sandbox, None),
        ("POST", f"{sandbox}/timeout", {"timeout": 1}),
        ("POST", f"{sandbox}/connect", {"timeout": 1}),
        ("POST", f"{sandbox}/pause", None),
        ("GET", f"{sandbox}/metrics", None),
    ):
        status, problem, _ = api.json(method, path, fields)
        assert (status, problem["code"]) == (404, 404), (method, path, problem)
        assert isinstance(problem["message"], str)
    api.headers = {**CONTROL, "X-API-Key": "e2b_00"}
    status, problem, _ = api.json("GET", "/v2/sandboxes")
    assert (status, problem["code"]) == (401, 401), problem
    passed("kill and refusals")


def check_commands():
    rpc = Rpc(Pool(given["agent"], AGENT))
    pid, out, err, end, last = collect(
        rpc.stream(
            "process.Process/Start",
            start("echo $WORD; pwd; echo err >&2; exit 3", envs={"WORD": "grüße"}, cwd=given["directory"]),
        )
    )
    assert pid > 1 and out.decode() == f"grüße\n{given['directory']}\n" and err == b"err\n", (pid, out, err)
    # The client reads an absent field as 0.
    assert end.get("exitCode", 0) == 3 and end["exited"] and last == {}, (end, last)
    _, out, err, end, _ = collect(rpc.stream("process.Process/Start", start("true")))
    assert (out, err, end.get("exitCode", 0)) == (b"", b"", 0), (out, err, end)
    passed("run")

    messages = list(rpc.stream("process.Process/Start", start("sleep 60"), timeout_ms=300))
    assert messages[-1]["last"]["error"]["code"] == "deadline_exceeded", messages
    messages = list(rpc.stream("process.Process/Start", start("true", cwd="/nowhere")))
    assert messages[-1]["last"]["error"]["code"] == "invalid_argument", messages
    foreign = Rpc(rpc.pool, user="nobody-here")
    status, problem = foreign.unary("filesystem.Filesystem/Stat", {"path": "/"})
    assert (status, problem["code"]) == (401, "unauthenticated"), problem
    passed("deadline and refusals")

    # Streams hold their connection: what is done meanwhile takes another one of the pool.
    other = Rpc(Pool(given["agent"], AGENT))
    message = {**start("cat"), "stdin": True}
    events = rpc.stream("process.Process/Start", message)
    pid = next(events)["event"]["start"]["pid"]
    status, running = other.unary("process.Process/List", {})
    assert status == 200 and pid in [one["pid"] for one in running["processes"]], running
    sent = {"process": {"pid": pid}, "input": {"stdin": base64.b64encode(b"through").decode()}}
    assert other.unary("process.Process/SendInput", sent) == (200, {})
    kill = {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"}
    assert next(events)["event"]["data"]["stdout"] == sent["input"]["stdin"]
    assert other.unary("process.Process/SendSignal", kill) == (200, {})
    _, _, _, end, last = collect(events)
    assert (end["exitCode"], end["error"], last) == (-1, "signal: killed", {}), (end, last)
    status, problem = other.unary("process.Process/SendSignal", kill)
    # The client reports false for it.
    assert (status, problem["code"]) == (404, "not_found"), problem
    passed("input and kill")

    pty = {
        "process": {"cmd": "/bin/bash", "args": ["-i", "-l"], "envs": {**HOME, "TERM": "xterm-256color"}},
        "pty": {"size": {"rows": 24, "cols": 80}},
    }
    events = rpc.stream("process.Process/Start", pty)
    pid = next(events)["event"]["start"]["pid"]
    size = {"process": {"pid": pid}, "pty": {"size": {"rows": 30, "cols": 100}}}
    assert other.unary("process.Process/Update", size) == (200, {})
    line = base64.b64encode(b"stty size; exit 4\n").decode()
    assert other.unary("process.Process/SendInput", {"process": {"pid": pid}, "input": {"pty": line}}) == (200, {})
    shown, end = b"", {}
    for message in events:
        event = message.get("event", {})
        shown += base64.b64decode(event.get("data", {}).get("pty", ""))
        end = event.get("end", end)
    assert b"30 100" in shown and end["exitCode"] == 4, (shown, end)
    passed("terminal")


def check_files():
    agent = Pool(given["agent"], AGENT)
    rpc = Rpc(agent)
    path = f"{given['directory']}/made/one.txt"
    where = "/files?" + urlencode({"path": path, "username": "root"})
    # The boundary is what httpx makes: 32 hexadecimal digits.
    boundary = "0123456789abcdef" * 2
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path}"\r\n'
        f"Content-Type: text/plain\r\n\r\ngrüße\r\n--{boundary}--\r\n"
    ).encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    response, content = agent.call("POST", where, form, kind)
    written = [{"path": path, "name": "one.txt", "type": "file"}]
    assert response.status == 200 and json.loads(content) == written, (response.status, content)
    response, content = agent.call("GET", where)
    assert response.status == 200 and content.decode() == "grüße", content
    # What it reads by pieces it sends by chunks.
    parts = [b"x" * 70_000, b"y" * 70_000]
    kind = {"Content-Type": "application/octet-stream"}
    response, content = agent.call("POST", where, iter(parts), kind)
    assert response.status == 200 and json.loads(content) == written, (response.status, content)
    assert agent.call("GET", where)[1] == b"".join(parts)
    squeezed = {**kind, "Content-Encoding": "gzip"}
    assert agent.call("POST", where, gzip.compress(b"squeezed"), squeezed)[0].status == 200
    assert agent.call("GET", where)[1] == b"squeezed"
    response, content = agent.call("GET", "/files?" + urlencode({"path": f"{path}.not", "username": "root"}))
    assert response.status == 404 and isinstance(json.loads(content)["message"], str), content
    passed("write and read")

    status, answer = rpc.unary("filesystem.Filesystem/Stat", {"path": path})
    entry = answer["entry"]
    # 64-bit numbers are strings, and types and times have their names and forms of proto3's JSON.
    assert status == 200 and (entry["size"], entry["type"]) == ("8", "FILE_TYPE_FILE"), entry
    assert entry["permissions"] == "-rw-r--r--" and entry["modifiedTime"].endswith("Z"), entry
    folder = f"{given['directory']}/folder"
    assert rpc.unary("filesystem.Filesystem/MakeDir", {"path": folder})[0] == 200
    # The client reports false for it.
    assert rpc.unary("filesystem.Filesystem/MakeDir", {"path": folder})[0] == 409
    moved = {"source": path, "destination": f"{folder}/two.txt"}
    assert rpc.unary("filesystem.Filesystem/Move", moved)[0] == 200
    status, answer = rpc.unary("filesystem.Filesystem/ListDir", {"path": folder, "depth": 1})
    assert [one["name"] for one in answer["entries"]] == ["two.txt"], answer
    assert rpc.unary("filesystem.Filesystem/Remove", {"path": f"{folder}/two.txt"}) == (200, {})
    status, problem = rpc.unary("filesystem.Filesystem/Stat", {"path": f"{folder}/two.txt"})
    assert (status, problem["code"]) == (404, "not_found"), problem
    passed("entries")

    # The synchronous client has no stream of events: it asks.
    status, answer = rpc.unary("filesystem.Filesystem/CreateWatcher", {"path": folder, "recursive": True})
    assert status == 200, answer
    watcher = {"watcherId": answer["watcherId"]}
    assert agent.call("POST", "/files?" + urlencode({"path": f"{folder}/seen.txt"}), b"", kind)[0].status == 200
    seen, until = [], time.monotonic() + PATIENCE_S
    while ("seen.txt", "EVENT_TYPE_CREATE") not in seen:
        assert time.monotonic() < until, seen
        status, answer = rpc.unary("filesystem.Filesystem/GetWatcherEvents", watcher)
        assert status == 200, answer
        seen += [(one["name"], one["type"]) for one in answer.get("events", [])]
        time.sleep(0.05)
    assert rpc.unary("filesystem.Filesystem/RemoveWatcher", watcher) == (200, {})
    status, problem = rpc.unary("filesystem.Filesystem/GetWatcherEvents", watcher)
    assert (status, problem["code"]) == (404, "not_found"), problem
    passed("polled watcher")

    agent.headers = {**AGENT, "X-Access-Token": "wrong"}
    assert agent.call("GET", where)[0].status == 401
    status, problem = rpc.unary("filesystem.Filesystem/Stat", {"path": "/"})
    assert (status, problem["code"]) == (401, "unauthenticated"), problem
    agent.headers = AGENT
    response, content = agent.call("GET", "/health")
    assert response.status == 204 and content == b"", (response.status, content)
    passed("token and health")


def check_parallel():
    """Threads of one program, each with a connection of its own."""
    outcomes = []

    def run(number):
        rpc = Rpc(Pool(given["agent"], AGENT))
        outcomes.append(collect(rpc.stream("process.Process/Start", start(f"echo {number}")))[1])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [f"{number}\n".encode() for number in range(10)], outcomes
    passed("parallel commands")


check_control()
check_commands()
check_files()
check_parallel()
