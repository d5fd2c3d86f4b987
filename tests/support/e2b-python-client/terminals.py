"""Terminals: created, resized, written to, connected to again, killed."""

import e2b
from checks import check, done, fails
from commands import has
from e2b import CommandExitException, PtySize


async def opened(f, sandbox, **options):
    """A terminal, and a function that waits for its end and returns all that it printed."""
    pieces = []
    if f.is_async:
        handle = await sandbox.pty.create(PtySize(24, 80), on_data=pieces.append, **options)
    else:
        handle = sandbox.pty.create(PtySize(24, 80), **options)

    async def rest(kind=CommandExitException):
        wait = handle.wait if f.is_async else lambda: handle.wait(on_pty=pieces.append)
        error = await fails(kind, wait) if kind else await done(wait())
        return b"".join(pieces).decode(), error

    return handle, rest


@check("a terminal has its size, user, directory and environment", level="smoke")
async def created(f, sandbox):
    handle, rest = await opened(f, sandbox, user="root", cwd="/tmp", envs={"OWN": "once"})
    await done(sandbox.pty.resize(handle.pid, PtySize(33, 101)))
    await done(sandbox.pty.send_stdin(handle.pid, b"stty size; id -un; pwd; echo $OWN $TERM; exit 4\n"))
    printed, error = await rest()
    assert error.exit_code == 4, error
    for text in ("33 101", "root", "/tmp", "once xterm-256color"):
        assert text in printed, (text, printed)


@check("a terminal is connected to again, and killed")
async def again(f, sandbox):
    handle, _ = await opened(f, sandbox)
    await done(handle.disconnect())
    pieces = []
    options = {"on_data": pieces.append} if f.is_async else {}
    second = await done(sandbox.pty.connect(handle.pid, **options))
    await done(sandbox.pty.send_stdin(handle.pid, b"echo to-the-second-$((6 * 7)); exit 0\n"))
    await done(second.wait() if f.is_async else second.wait(on_pty=pieces.append))
    assert b"to-the-second-42" in b"".join(pieces), pieces
    handle, rest = await opened(f, sandbox)
    assert await done(sandbox.pty.kill(handle.pid)) is True
    _, error = await rest()
    assert error.exit_code == -1, error
    assert await done(sandbox.pty.kill(handle.pid)) is False
    await fails(e2b.NotFoundException, lambda: sandbox.pty.resize(handle.pid, PtySize(10, 10)))


@check("input of a terminal is a stream", needs=has("pty", "stream_input"))
async def streamed(f, sandbox):
    handle, rest = await opened(f, sandbox)
    pieces = ["echo piece-", "$((6", " * 7))\n", b"exit 3\n"]
    if f.is_async:
        stream = sandbox.pty.stream_input(handle.pid)
        for piece in pieces:
            await stream.send(piece)
        await stream.close()
    else:
        sandbox.pty.stream_input(handle.pid, pieces)
    printed, error = await rest()
    assert "piece-42" in printed and error.exit_code == 3, (printed, error)
