"""Watched directories: polled by the blocking client, streamed to the asynchronous one."""

import e2b
from checks import check, done, eventually, fails


class Watch:
    """Events of either kind of watch, as `type name`."""

    def __init__(self, f, sandbox):
        self.f = f
        self.files = sandbox.files
        self.events = []
        self.handle = None

    async def start(self, path, **options):
        if self.f.is_async:
            options["on_event"] = self.events.append
        self.handle = await done(self.files.watch_dir(path, **options))

    async def saw(self, *wanted):
        def look():
            if not self.f.is_async:
                self.events += self.handle.get_new_events()
            return set(wanted) <= {(one.type.value, one.name) for one in self.events}

        try:
            await eventually("the events", look)
        except AssertionError:
            raise AssertionError(f"{wanted} are not in {self.events}") from None

    async def stop(self):
        await done(self.handle.stop())


@check("a watched directory reports what is made, written, renamed and removed in it")
async def flat(f, sandbox):
    await done(sandbox.files.make_dir("watched"))
    watch = Watch(f, sandbox)
    await watch.start("watched")
    await done(sandbox.files.write("watched/one", "x"))
    await watch.saw(("create", "one"), ("chmod", "one"), ("write", "one"))
    assert len(watch.events) == 3, watch.events
    watch.events.clear()
    await done(sandbox.files.write("watched/one", "changed"))
    await watch.saw(("write", "one"))
    await done(sandbox.files.rename("watched/one", "watched/two"))
    await watch.saw(("rename", "one"))
    await done(sandbox.commands.run("chmod 600 watched/two"))
    await watch.saw(("chmod", "two"))
    await done(sandbox.files.remove("watched/two"))
    await watch.saw(("remove", "two"))
    await watch.stop()
    if not f.is_async:
        await fails(e2b.SandboxException, watch.handle.get_new_events)


@check("the polled events of an upload are there when it is answered", only="sync")
async def at_once(f, sandbox):
    await done(sandbox.files.make_dir("polled"))
    watch = sandbox.files.watch_dir("polled")
    deep = sandbox.files.watch_dir("polled", recursive=True)
    await done(sandbox.files.write("polled/one", "x"))
    for seen in (watch.get_new_events(), deep.get_new_events()):
        kinds = [(one.type.value, one.name) for one in seen]
        assert kinds == [("create", "one"), ("chmod", "one"), ("write", "one")], kinds
    sandbox.files.make_dir("polled/below")
    sandbox.files.write("polled/below/two", "x")
    kinds = [(one.type.value, one.name) for one in deep.get_new_events()]
    assert ("write", "below/two") in kinds, kinds
    watch.stop()
    deep.stop()


@check("a recursive watch sees directories that are made later, and describes entries", level="smoke")
async def deep(f, sandbox):
    await done(sandbox.files.make_dir("deeply"))
    watch = Watch(f, sandbox)
    await watch.start("deeply", recursive=True, include_entry=True)
    await done(sandbox.files.write("deeply/a/b/file", "12345"))
    await watch.saw(("create", "a"), ("create", "a/b"))
    await done(sandbox.files.write("deeply/a/b/later", "12345"))
    await watch.saw(("create", "a/b/later"), ("write", "a/b/later"))
    entries = [one.entry for one in watch.events if one.name == "a/b/later" and one.entry]
    assert entries and entries[-1].path == "/home/user/deeply/a/b/later", watch.events
    await watch.stop()


@check("what cannot be watched is refused by class")
async def refused(f, sandbox):
    await fails(e2b.FileNotFoundException, lambda: Watch(f, sandbox).start("nowhere"))
    await fails(e2b.InvalidArgumentException, lambda: Watch(f, sandbox).start("/etc/hostname"))
