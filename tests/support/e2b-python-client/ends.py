"""What clients with open streams see when their sandbox ends or is paused."""

import asyncio
import os

import e2b
from checks import GONE, check, done, eventually, fails

# Older releases look whether the sandbox is there only when some kinds of streams break.
TEXT = "killed or reached its end of life" if GONE is not e2b.TimeoutException else "sandbox"


STREAMS = 300


@check("a kill breaks open streams with a timeout, and later requests fail at once", level="smoke")
async def killed(f):
    sandbox = await f.create()
    await done(sandbox.files.make_dir("watched"))
    handle = await done(sandbox.commands.run("sleep 300", background=True))
    if f.is_async:
        running = [asyncio.create_task(done(handle.wait()))]
        running.append(asyncio.create_task(sandbox.commands.run("sleep 300")))
    else:
        running = [asyncio.create_task(asyncio.to_thread(handle.wait))]
        running.append(asyncio.create_task(asyncio.to_thread(sandbox.commands.run, "sleep 300")))

    async def are_running():
        pids = sandbox.commands.list
        return len(await (pids() if f.is_async else asyncio.to_thread(pids))) == 2

    await eventually("both commands run", are_running)
    kill = sandbox.kill
    assert await (kill() if f.is_async else asyncio.to_thread(kill)) is True
    for task in running:
        await fails(GONE, lambda task=task: asyncio.wait_for(task, 20), TEXT)
    await fails(GONE, lambda: sandbox.commands.run("true"))
    await fails(GONE, lambda: sandbox.files.read("x"))
    await fails(GONE, lambda: sandbox.files.list("."))
    await fails(e2b.SandboxNotFoundException, sandbox.get_info)
    assert await done(sandbox.is_running()) is False


@check("a wrong token is refused, and a paused sandbox is not resumed by it")
async def stranger(f):
    sandbox = await f.create(lifecycle={"on_timeout": "pause", "auto_resume": True})
    await done(sandbox.files.write("kept.txt", "kept"))
    config = sandbox.connection_config
    other = e2b.ConnectionConfig(
        api_key=config.api_key,
        extra_sandbox_headers={**config.sandbox_headers, "X-Access-Token": "0" * 32},
    )
    wrong = f.Sandbox(
        sandbox_id=sandbox.sandbox_id,
        sandbox_domain=sandbox.sandbox_domain,
        envd_version=sandbox._envd_version,
        envd_access_token="0" * 32,
        traffic_access_token=None,
        connection_config=other,
    )
    await fails(e2b.AuthenticationException, lambda: wrong.files.read("kept.txt"))
    await fails(e2b.AuthenticationException, lambda: wrong.commands.run("true"))
    await done(sandbox.pause())
    try:
        await done(wrong.commands.run("true"))
    except Exception:
        pass
    else:
        raise AssertionError("a wrong token ran a command")
    assert (await done(sandbox.get_info())).state == e2b.SandboxState.PAUSED
    assert await done(sandbox.files.read("kept.txt")) == "kept"
    await done(sandbox.kill())


@check("300 streams share few connections, and all end with their sandbox", level="domain", only="async")
async def many(f):
    sandbox = await f.create()
    command = await sandbox.commands.run("sleep 300", background=True)
    before = connections()
    options = {"timeout": 0, "request_timeout": 60}
    connects = [sandbox.commands.connect(command.pid, **options) for _ in range(STREAMS)]
    handles = await asyncio.gather(*connects)
    # By HTTP/2; plain HTTP takes one connection for each, of which the client opens 200 at most.
    opened = connections() - before
    assert opened <= STREAMS / 4, f"{opened} connections for {STREAMS} streams"
    # Other requests pass, and the end of the sandbox is the end of every stream.
    assert (await sandbox.commands.run("echo between", request_timeout=100)).stdout == "between\n"
    await sandbox.kill()
    ends = await asyncio.gather(*(handle.wait() for handle in handles), return_exceptions=True)
    assert {type(end) for end in ends} == {GONE}, {repr(end) for end in ends}


def connections():
    """Established TCP connections of this process."""
    sockets = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    with open("/proc/self/net/tcp") as table:
        lines = [line.split() for line in table]
    return sum(1 for line in lines if line[3:4] == ["01"] and line[9] in sockets)
