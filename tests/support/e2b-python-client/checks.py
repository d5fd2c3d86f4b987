"""Named checks, and what runs each of them: with the blocking or the asynchronous classes, within a time."""

import asyncio
import inspect
import sys
import threading
import time
import traceback

import e2b

CHECKS = []
LIMIT_S = 60
# What is raised for a sandbox that has ended or is paused.
GONE = getattr(e2b, "SandboxNotRunningException", e2b.TimeoutException)
# How much is checked; each has the checks of those before it.
LEVELS = ["smoke", "brief", "usual", "long"]


class Check:
    def __init__(self, name, function, level, limit, only, needs):
        self.name = name
        self.function = function
        self.limit = limit
        self._level = level
        self._only = only
        self._needs = needs

    def applies(self, flavor, levels):
        is_wanted = self._level in levels and self._only in (None, flavor.name)
        return is_wanted and (self._needs is None or self._needs())


def check(name, level="usual", limit=LIMIT_S, only=None, needs=None):
    """
    Adds a check. One that takes two parameters gets the flavor and a sandbox that all checks share.

    `level` is the lowest one with the check; `domain` for what needs a domain with TLS, or `interpreter` for what needs its template.
    `only` is a flavor, and `needs` says whether this release has what is checked.
    """

    def add(function):
        CHECKS.append(Check(name, function, level, limit, only, needs))
        return function

    return add


class Flavor:
    """The classes of one way to call the client. Checks await what they return, which `done` allows for values as well."""

    def __init__(self, name, package=e2b):
        self.name = name
        self.is_async = name == "async"
        self.Sandbox = getattr(package, "AsyncSandbox" if self.is_async else "Sandbox")
        self.Template = e2b.AsyncTemplate if self.is_async else e2b.Template
        self.Volume = e2b.AsyncVolume if self.is_async else e2b.Volume

    async def create(self, template="minimal", **options):
        return await done(self.Sandbox.create(template, timeout=600, **options))

    async def together(self, *calls):
        """The outcomes of functions without parameters, called at once: as tasks, or in threads."""
        if self.is_async:
            return await asyncio.gather(*(call() for call in calls))
        return await asyncio.gather(*(asyncio.to_thread(call) for call in calls))

    async def chunks(self, stream):
        if self.is_async:
            return [chunk async for chunk in stream]
        return list(stream)


async def done(value):
    return await value if inspect.isawaitable(value) else value


async def fails(kind, call, *texts):
    """Asserts that a call raises exactly this class, with all texts in its message."""
    try:
        value = await done(call())
    except Exception as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}"
        for text in texts:
            assert text in str(error), f"{text!r} is not in {error}"
        return error
    raise AssertionError(f"{kind.__name__} was not raised, but {value!r} returned")


async def eventually(what, call, seconds=20):
    """Calls until the outcome is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = await done(call())
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        await asyncio.sleep(0.05)


def run_within(limit, main, profile):
    """
    Runs a coroutine in a thread of its own, with an event loop of its own.

    Returns the traceback of its failure, or where it was when its time was over. The thread then stays behind.
    """
    problem = []

    def run():
        sys.setprofile(profile)
        try:
            asyncio.run(main())
            problem.append(None)
        except BaseException:
            problem.append(traceback.format_exc())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    if problem:
        return problem[0]
    frame = sys._current_frames().get(thread.ident)
    where = "".join(traceback.format_stack(frame)) if frame else ""
    return f"not over after {limit} s:\n{where}"
