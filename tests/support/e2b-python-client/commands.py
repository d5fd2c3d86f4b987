"""Commands: their output, input, environment and ends."""

import asyncio
from typing import get_type_hints

import e2b
from checks import check, done, eventually, fails
from e2b import CommandExitException, TimeoutException


def has(part, name):
    """Whether a part of a sandbox has a method in this release."""
    return lambda: hasattr(get_type_hints(getattr(e2b.Sandbox, part).fget)["return"], name)


@check("a command has its directory, user, environment and output", level="smoke")
async def plain(f, sandbox):
    script = "pwd; id -un; echo $OF_THE_SANDBOX $OWN; echo error >&2"
    out, err = [], []
    options = {"on_stdout": out.append, "on_stderr": err.append}
    result = await done(sandbox.commands.run(script, envs={"OWN": "once"}, cwd="/tmp", user="root", **options))
    assert (result.stdout, result.stderr, result.exit_code) == ("/tmp\nroot\nseen once\n", "error\n", 0), result
    assert ("".join(out), "".join(err)) == (result.stdout, result.stderr), (out, err)
    result = await done(sandbox.commands.run("id -un; pwd; printf 'caf\\303\\251 \\377'; cat"))
    assert result.stdout == "user\n/home/user\ncafé \ufffd", result


@check("output is passed on while the command runs, and reading can start again", level="brief")
async def followed(f, sandbox):
    handle = await done(sandbox.commands.run("sleep 0.5; echo one; sleep 1; echo two", background=True))
    listed = [one for one in await done(sandbox.commands.list()) if one.pid == handle.pid]
    assert [one.args[-1] for one in listed] == ["sleep 0.5; echo one; sleep 1; echo two"], listed
    assert (await done(sandbox.commands.run(f"kill -0 {handle.pid} && echo there"))).stdout == "there\n"
    await done(handle.disconnect())
    again = await done(sandbox.commands.connect(handle.pid))
    assert again.pid == handle.pid
    result = await done(again.wait())
    assert result.exit_code == 0 and result.stdout.endswith("two\n"), result
    if f.is_async:
        assert (again.exit_code, again.error, again.stderr) == (0, None, ""), again
        assert again.stdout == result.stdout


@check("callbacks of a command in the background get its output")
async def callbacks(f, sandbox):
    out = []
    options = {"on_stdout": out.append} if f.is_async else {}
    handle = await done(sandbox.commands.run("echo a; echo b", background=True, **options))
    await done(handle.wait() if f.is_async else handle.wait(on_stdout=out.append))
    assert "".join(out) == "a\nb\n", out


@check("standard input is sent by pid and by handle, and closed", level="brief")
async def inputs(f, sandbox):
    handle = await done(sandbox.commands.run("cat", background=True, stdin=True))
    await done(sandbox.commands.send_stdin(handle.pid, "text "))
    await done(handle.send_stdin(b"bytes\n"))
    await done(handle.close_stdin())
    assert (await done(handle.wait())).stdout == "text bytes\n"
    other = await done(sandbox.commands.run("cat", background=True, stdin=True))
    await done(sandbox.commands.close_stdin(other.pid))
    assert (await done(other.wait())).stdout == ""


@check("standard input is a stream of many pieces, in their order", level="brief", needs=has("commands", "stream_input"))
async def streamed(f, sandbox):
    handle = await done(sandbox.commands.run("cat", background=True, stdin=True))
    pieces = [f"{index}\n" for index in range(100)]
    if f.is_async:
        async with sandbox.commands.stream_input(handle.pid) as stream:
            for piece in pieces:
                await stream.send(piece)
    else:
        sandbox.commands.stream_input(handle.pid, pieces)
    await done(handle.close_stdin())
    assert (await done(handle.wait())).stdout == "".join(pieces)


@check("exit codes, signals and deadlines are raised as the client has them", level="brief")
async def ends(f, sandbox):
    error = await fails(CommandExitException, lambda: sandbox.commands.run("echo out; echo err >&2; exit 7"))
    assert (error.exit_code, error.stdout, error.stderr) == (7, "out\n", "err\n"), error
    handle = await done(sandbox.commands.run("sleep 300", background=True))
    assert await done(handle.kill()) is True
    error = await fails(CommandExitException, handle.wait)
    assert (error.exit_code, error.error) == (-1, "signal: killed"), (error.exit_code, error.error)
    handle = await done(sandbox.commands.run("sleep 300", background=True))
    assert await done(sandbox.commands.kill(handle.pid)) is True

    async def is_unknown():
        return await done(sandbox.commands.kill(handle.pid)) is False

    await eventually("the killed process is unknown", is_unknown)
    await fails(TimeoutException, lambda: sandbox.commands.run("exec sleep 321", timeout=1))

    async def is_gone():
        return all(one.args[-1:] != ["exec sleep 321"] for one in await done(sandbox.commands.list()))

    await eventually("the process of the deadline is gone", is_gone)


@check("unknown processes, users and directories are refused by class", level="smoke")
async def unknown(f, sandbox):
    pid = 4_000_000
    await fails(e2b.NotFoundException, lambda: sandbox.commands.connect(pid))
    await fails(e2b.NotFoundException, lambda: sandbox.commands.send_stdin(pid, "x"))
    await fails(e2b.NotFoundException, lambda: sandbox.commands.close_stdin(pid))
    await fails(e2b.AuthenticationException, lambda: sandbox.commands.run("true", user="nobody-here"))
    await fails(e2b.InvalidArgumentException, lambda: sandbox.commands.run("true", cwd="/nowhere"))


@check("a large output arrives whole", limit=120)
async def large(f, sandbox):
    result = await done(sandbox.commands.run("seq 200000", timeout=100))
    assert result.stdout == "".join(f"{index}\n" for index in range(1, 200_001))


@check("100 commands run at a time", level="long", only="async", limit=120)
async def many(f, sandbox):
    calls = [sandbox.commands.run(f"echo {index}", timeout=0, request_timeout=100) for index in range(100)]
    results = await asyncio.gather(*calls)
    assert [result.stdout for result in results] == [f"{index}\n" for index in range(100)]


@check("a task that is cancelled ends its call alone", only="async")
async def cancelled(f, sandbox):
    task = asyncio.create_task(sandbox.commands.run("sleep 300"))
    await eventually("the command runs", sandbox.commands.list)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    for one in await sandbox.commands.list():
        await sandbox.commands.kill(one.pid)
    assert (await sandbox.commands.run("echo still")).stdout == "still\n"
