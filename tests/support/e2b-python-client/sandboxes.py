"""Sandboxes: created, found, listed, paused, resumed, copied."""

import datetime
import inspect
import logging
import urllib.error
import urllib.request
import uuid

import e2b
from checks import GONE, check, done, eventually, fails
from e2b import SandboxQuery, SandboxState


@check("a sandbox is created with metadata and environment, described, and killed once", level="smoke")
async def created(f):
    metadata = {"purpose": "a test & more", "ö": "ü=%", "mark": str(uuid.uuid4())}
    sandbox = await f.create(metadata=metadata, envs={"GREETING": "good day"})
    info = await done(sandbox.get_info())
    assert info == await done(f.Sandbox.get_info(sandbox.sandbox_id)), info
    assert (info.sandbox_id, info.template_id, info.name) == (sandbox.sandbox_id, "minimal", "minimal"), info
    assert info.metadata == metadata, info
    assert (info.state, info.cpu_count, info.memory_mb) == (SandboxState.RUNNING, 1, 512), info
    assert 590 < (info.end_at - info.started_at).total_seconds() < 610, info
    assert (await done(sandbox.commands.run("echo $GREETING"))).stdout == "good day\n"
    query = SandboxQuery(metadata=metadata)
    assert [one.sandbox_id for one in await done(f.Sandbox.list(query).next_items())] == [sandbox.sandbox_id]
    assert await done(sandbox.is_running()) is True
    assert await done(sandbox.kill()) is True
    assert await done(sandbox.is_running(request_timeout=10)) is False
    assert await done(f.Sandbox.kill(sandbox.sandbox_id)) is False


@check("a client with settings of its own finds the sandbox, and logs what it does")
async def bound(f, sandbox):
    client = e2b.E2B(api_key=sandbox.connection_config.api_key, request_timeout=30)
    lines = []
    logger = logging.Logger("of the check")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    owner = client.AsyncSandbox if f.is_async else client.Sandbox
    same = await done(owner.connect(sandbox.sandbox_id, logger=logger))
    assert (await done(same.commands.run("echo $OF_THE_SANDBOX"))).stdout == "seen\n"
    assert any("connect" in line for line in lines), lines


@check("a timeout is set to any end, and a connect only moves the end later", level="brief")
async def timeout(f, sandbox):
    async def remaining():
        now = datetime.datetime.now(datetime.timezone.utc)
        return ((await done(sandbox.get_info())).end_at - now).total_seconds()

    await done(sandbox.set_timeout(100))
    assert 90 < await remaining() <= 101
    await done(sandbox.connect(timeout=200))
    assert 190 < await remaining() <= 201
    await done(f.Sandbox.connect(sandbox.sandbox_id, timeout=50))
    assert 180 < await remaining() <= 201
    # Long enough for all other checks.
    await done(f.Sandbox.set_timeout(sandbox.sandbox_id, 3000))
    assert 2990 < await remaining() <= 3001


@check("lists have pages, orders and filters")
async def listed(f, sandbox):
    mark = {"list": sandbox.sandbox_id}

    def create():
        return f.Sandbox.create("minimal", timeout=300, metadata=mark)

    pair = await f.together(create, create)
    ids = {one.sandbox_id for one in pair}
    pages = f.Sandbox.list(SandboxQuery(metadata=mark), limit=1)
    seen = []
    while pages.has_next:
        page = await done(pages.next_items())
        assert len(page) <= 1, page
        seen += [one.sandbox_id for one in page]
    assert set(seen) == ids and len(seen) == 2, seen
    assert pages.next_token is None, pages.next_token
    if "order" in inspect.signature(f.Sandbox.list).parameters:
        rising = await done(f.Sandbox.list(SandboxQuery(metadata=mark), order="asc").next_items())
        assert [one.sandbox_id for one in rising] == seen[::-1], rising
        first = rising[0].started_at
        later = SandboxQuery(metadata=mark, started_after=first, template="minimal")
        assert len(await done(f.Sandbox.list(later).next_items())) == 2
        unknown = SandboxQuery(template="unknown")
        assert await done(f.Sandbox.list(unknown).next_items()) == []
    paused = SandboxQuery(metadata=mark, state=[SandboxState.PAUSED])
    assert await done(f.Sandbox.list(paused).next_items()) == []
    both = SandboxQuery(metadata=mark, state=[SandboxState.PAUSED, SandboxState.RUNNING])
    assert len(await done(f.Sandbox.list(both).next_items())) == 2
    await f.together(*(one.kill for one in pair))


@check("metrics come within 30 s, and only those of the time asked for")
async def metrics(f, sandbox):
    (sample, *_) = await eventually("a sample of metrics", sandbox.get_metrics, 30)
    assert sample.cpu_count == 1 and sample.mem_total > sample.mem_used > 0, sample
    assert sample.disk_total > sample.disk_used > 0, sample
    end = sample.timestamp - datetime.timedelta(minutes=5)
    start = end - datetime.timedelta(minutes=5)
    assert await done(f.Sandbox.get_metrics(sandbox.sandbox_id, start=start, end=end)) == []
    assert await done(f.Sandbox.get_metrics(sandbox.sandbox_id, start=end)) != []


@check("a paused sandbox keeps its processes and streams, and refuses requests until it is resumed")
async def paused(f):
    sandbox = await f.create()
    handle = await done(sandbox.commands.run("sleep 1; echo after; exit 5", background=True))
    assert await done(sandbox.pause()) is True
    assert await done(f.Sandbox.pause(sandbox.sandbox_id)) is False
    assert await done(f.Sandbox.beta_pause(sandbox.sandbox_id)) is False
    assert await done(sandbox.beta_pause()) is False
    assert (await done(sandbox.get_info())).state == SandboxState.PAUSED
    assert await done(sandbox.is_running()) is False
    await fails(GONE, lambda: sandbox.commands.run("true"))
    await fails(GONE, lambda: sandbox.files.read("/etc/hostname"))
    await done(f.Sandbox.connect(sandbox.sandbox_id, timeout=300))
    # The stream from before the pause continues.
    error = await fails(e2b.CommandExitException, handle.wait)
    assert (error.exit_code, error.stdout) == (5, "after\n"), error
    await done(sandbox.kill())


@check("a sandbox that is paused without its memory boots from its disk", level="long", limit=120)
async def booted(f):
    sandbox = await f.create()
    await done(sandbox.files.write("kept.txt", "kept"))
    await done(sandbox.commands.run("sleep 300", background=True))
    await done(sandbox.pause(keep_memory=False))
    again = await done(f.Sandbox.connect(sandbox.sandbox_id, timeout=300, request_timeout=100))
    assert await done(again.files.read("kept.txt")) == "kept"
    assert await done(again.commands.list()) == []
    await done(sandbox.kill())


@check("a sandbox with auto-resume is paused at its end, and a request resumes it", level="long")
async def resumed(f):
    lifecycle = {"on_timeout": "pause", "auto_resume": True}
    sandbox = await done(f.Sandbox.create("minimal", timeout=3, lifecycle=lifecycle))
    await done(sandbox.files.write("kept.txt", "kept"))
    info = await done(sandbox.get_info())
    assert info.lifecycle["auto_resume"] is True, info

    async def is_paused():
        return (await done(sandbox.get_info())).state == SandboxState.PAUSED

    await eventually("the sandbox is paused", is_paused)
    assert await done(sandbox.files.read("kept.txt")) == "kept"
    await done(sandbox.kill())


@check("a fork continues with files and processes, with an id of its own")
async def forked(f, sandbox):
    await done(sandbox.commands.run("echo in memory > /dev/shm/kept"))
    (fork,) = await done(sandbox.fork(timeout=120, count=1))
    assert not isinstance(fork, Exception), fork
    assert fork.sandbox_id != sandbox.sandbox_id
    assert await done(fork.files.read("/dev/shm/kept")) == "in memory\n"
    await done(fork.kill())


@check("several forks are made at once", level="long")
async def forks(f, sandbox):
    made = await done(f.Sandbox.fork(sandbox.sandbox_id, timeout=120, count=2))
    assert len({one.sandbox_id for one in made} - {sandbox.sandbox_id}) == 2, made
    for one in made:
        assert (await done(one.commands.run("echo $OF_THE_SANDBOX"))).stdout == "seen\n"
        await done(one.kill())


@check("a snapshot is listed and tagged, starts sandboxes, and is deleted")
async def snapshot(f, sandbox):
    name = f"moment-{sandbox.sandbox_id}"
    await done(sandbox.files.write("of-the-snapshot.txt", "kept"))
    made = await done(sandbox.create_snapshot(name=name))
    assert [one for one in made.names if name in one], made
    own = sandbox.list_snapshots()
    assert [one.snapshot_id for one in await done(own.next_items())] == [made.snapshot_id]
    assert (own.has_next, own.next_token) == (False, None)
    every = await done(f.Sandbox.list_snapshots().next_items())
    assert made.snapshot_id in [one.snapshot_id for one in every], every
    if "name" in inspect.signature(f.Sandbox.list_snapshots).parameters:
        found = await done(f.Sandbox.list_snapshots(name=name).next_items())
        assert [one.snapshot_id for one in found] == [made.snapshot_id], found
    assigned = await done(f.Template.assign_tags(f"{name}:default", ["stable", "second"]))
    assert sorted(assigned.tags) == ["second", "stable"], assigned
    assert {one.tag for one in await done(f.Template.get_tags(name))} == {"default", "second", "stable"}
    restored = await done(f.Sandbox.create(f"{name}:stable", timeout=120))
    assert await done(restored.files.read("of-the-snapshot.txt")) == "kept"
    await done(restored.kill())
    await done(f.Template.remove_tags(name, ["second", "stable"]))
    assert {one.tag for one in await done(f.Template.get_tags(name))} == {"default"}
    assert await done(f.Sandbox.delete_snapshot(made.snapshot_id)) is True
    assert await done(f.Sandbox.delete_snapshot(made.snapshot_id)) is False


@check("snapshots have pages", level="long", limit=120)
async def snapshots(f, sandbox):
    made = {(await done(sandbox.create_snapshot())).snapshot_id for _ in range(2)}
    pages = sandbox.list_snapshots(limit=1)
    seen = []
    while pages.has_next:
        page = await done(pages.next_items())
        assert len(page) == 1, page
        seen += [one.snapshot_id for one in page]
    assert set(seen) == made and len(seen) == 2, (seen, made)
    for one in made:
        assert await done(f.Sandbox.delete_snapshot(one)) is True


@check("links that the client signs read and write files without a header, until they expire", level="brief")
async def links(f, sandbox):
    await done(sandbox.files.write("signed.txt", "by link"))
    for expiration in (None, 60):
        link = await done(sandbox.download_url("signed.txt", use_signature_expiration=expiration))
        assert urllib.request.urlopen(link).read() == b"by link"
    upload = await done(sandbox.upload_url("uploaded.txt", use_signature_expiration=60))
    kind = {"Content-Type": "application/octet-stream"}
    assert urllib.request.urlopen(urllib.request.Request(upload, b"sent", kind)).status == 200
    assert await done(sandbox.files.read("uploaded.txt")) == "sent"
    expired = await done(sandbox.download_url("signed.txt", use_signature_expiration=-10))
    for wrong, text in ((expired, "signature is already expired"), (link.replace("v1_", "v1_x"), "signature")):
        error = await fails(urllib.error.HTTPError, lambda wrong=wrong: urllib.request.urlopen(wrong))
        assert error.code == 401 and text in error.read().decode(), error


@check("the place of a service and of the agent is named as the settings have it", level="brief")
async def places(f, sandbox):
    host = await done(sandbox.get_host(8000))
    assert host == f"8000-{sandbox.sandbox_id}.{sandbox.sandbox_domain}", host
    assert await done(sandbox.get_mcp_url()) == f"https://{sandbox.get_host(50005)}/mcp"
    await fails(e2b.FileNotFoundException, sandbox.get_mcp_token)
    assert sandbox.traffic_access_token is None, sandbox.traffic_access_token
    config = sandbox.connection_config
    url = config.get_sandbox_url(sandbox.sandbox_id, sandbox.sandbox_domain)
    assert sandbox.envd_api_url == sandbox.envd_direct_url == url, url
