"""Files: written, read, listed, moved, with their owners and metadata."""

import hashlib
import io
import os

import e2b
from checks import check, done, fails
from e2b import FileType


@check("texts, bytes and streams are read as they were written", level="smoke")
async def contents(f, sandbox):
    files = sandbox.files
    info = await done(files.write("deep/er/text.txt", "café\n"))
    assert (info.name, info.path, info.type) == ("text.txt", "/home/user/deep/er/text.txt", FileType.FILE), info
    assert await done(files.read("deep/er/text.txt")) == "café\n"
    data = os.urandom(1 << 20)
    await done(files.write("data.bin", data))
    assert bytes(await done(files.read("data.bin", format="bytes"))) == data
    assert b"".join(await f.chunks(await done(files.read("data.bin", format="stream")))) == data
    sum_of = (await done(sandbox.commands.run("sha256sum < data.bin"))).stdout.split()[0]
    assert sum_of == hashlib.sha256(data).hexdigest()
    await done(files.write("data.bin", io.BytesIO(b"of a file"), user="user"))
    assert await done(files.read("data.bin", user="user")) == "of a file"
    await done(files.write("empty", ""))
    assert await done(files.read("empty")) == ""
    assert "processor" in await done(files.read("/proc/cpuinfo")), "files without a size are read to their end"


@check("files are sent compressed, as forms and as octet streams")
async def forms(f, sandbox):
    files = sandbox.files
    forms = [{"gzip": True}, {"use_octet_stream": True}, {"use_octet_stream": False}]
    for index, options in enumerate(forms):
        await done(files.write(f"form-{index}", f"{options}" * 1000, **options))
        for gzip in (False, True):
            assert await done(files.read(f"form-{index}", gzip=gzip)) == f"{options}" * 1000, options
    entries = [{"path": f"many/{index}", "data": str(index)} for index in range(10)]
    written = await done(files.write_files(entries))
    assert [one.path for one in written] == [f"/home/user/many/{index}" for index in range(10)], written
    assert await done(files.read("many/9")) == "9"
    assert await done(files.write_files([])) == []


@check("metadata is kept, replaced and cleared", level="brief")
async def metadata(f, sandbox):
    info = await done(sandbox.files.write("tagged", "x", metadata={"kind": "test", "other": "1"}))
    assert info.metadata == {"kind": "test", "other": "1"}, info
    assert (await done(sandbox.files.get_info("tagged"))).metadata == info.metadata
    await done(sandbox.files.write("tagged", "x", metadata={"kind": "new"}))
    assert (await done(sandbox.files.get_info("tagged"))).metadata == {"kind": "new"}
    await done(sandbox.files.write("tagged", "x"))
    assert not (await done(sandbox.files.get_info("tagged"))).metadata


@check("entries are described, listed to a depth, moved and removed", level="brief")
async def entries(f, sandbox):
    files = sandbox.files
    assert await done(files.make_dir("tree/a/b")) is True
    assert await done(files.make_dir("tree/a/b")) is False
    await done(files.write("tree/a/file", "12345"))
    await done(sandbox.commands.run("ln -s a tree/link; ln -s nowhere tree/broken; chmod 640 tree/a/file"))
    info = await done(files.get_info("tree/a/file"))
    seen = (info.name, info.type, info.size, info.mode, info.permissions, info.owner, info.group)
    assert seen == ("file", FileType.FILE, 5, 0o640, "-rw-r-----", "user", "user"), info
    assert (await done(files.get_info("tree/link"))).symlink_target == "/home/user/tree/a"
    paths = [one.path.removeprefix("/home/user/tree/") for one in await done(files.list("tree"))]
    assert paths == ["a", "link"], paths
    paths = [one.path.removeprefix("/home/user/tree/") for one in await done(files.list("tree", depth=2))]
    assert paths == ["a", "a/b", "a/file", "link"], paths
    moved = await done(files.rename("tree/a/file", "tree/c/moved"))
    assert moved.path == "/home/user/tree/c/moved", moved
    assert await done(files.exists("tree/a/file")) is False
    assert await done(files.exists("tree/c/moved")) is True
    await done(files.remove("tree"))
    assert await done(files.exists("tree")) is False
    await done(files.remove("tree"))
    await done(files.write("of-root", "x", user="root"))
    assert (await done(files.get_info("/root/of-root", user="root"))).owner == "root"


@check("what is missing, of another kind or too large is refused by class")
async def refused(f, sandbox):
    files = sandbox.files
    missing = e2b.FileNotFoundException
    await fails(missing, lambda: files.read("missing"))
    await fails(missing, lambda: files.get_info("missing"))
    await fails(missing, lambda: files.list("missing"))
    await fails(missing, lambda: files.rename("missing", "other"))
    await fails(e2b.InvalidArgumentException, lambda: files.read("/etc"))
    await fails(e2b.InvalidArgumentException, lambda: files.list("/etc/hostname"))
    await fails(e2b.InvalidArgumentException, lambda: files.make_dir("/etc/hostname"))
    await fails(e2b.AuthenticationException, lambda: files.read("/etc/hostname", user="nobody-here"))
    small = "mkdir /small; mount -t tmpfs -o size=64k,mode=777 small /small"
    await done(sandbox.commands.run(small, user="root"))
    await fails(e2b.NotEnoughSpaceException, lambda: files.write("/small/file", b"x" * (1 << 20)))
    await done(sandbox.commands.run("umount /small", user="root"))


@check("64 MiB are written and read", level="long", limit=300)
async def large(f, sandbox):
    data = os.urandom(64 << 20)
    await done(sandbox.files.write("large.bin", data, request_timeout=280))
    stream = await done(sandbox.files.read("large.bin", format="stream", request_timeout=280))
    assert b"".join(await f.chunks(stream)) == data
