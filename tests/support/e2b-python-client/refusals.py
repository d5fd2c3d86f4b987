"""Refusals of the control API, by the classes that the client raises."""

import e2b
from checks import check, done, fails

NOBODY = "0" * 25


@check("a sandbox that does not exist is reported by class", level="brief")
async def unknown(f):
    owner = f.Sandbox
    gone = e2b.SandboxNotFoundException
    assert await done(owner.kill(NOBODY)) is False
    await fails(gone, lambda: owner.get_info(NOBODY))
    await fails(gone, lambda: owner.set_timeout(NOBODY, 60))
    await fails(gone, lambda: owner.pause(NOBODY))
    await fails(gone, lambda: owner.connect(NOBODY))
    await fails(gone, lambda: owner.get_metrics(NOBODY))
    await fails(gone, lambda: owner.create_snapshot(NOBODY))
    await fails(gone, lambda: owner.fork(NOBODY))
    await fails(gone, lambda: owner.update_network(NOBODY, {}))


@check("keys that are absent or wrong, and templates and times that do not exist", level="brief")
async def refused(f):
    owner = f.Sandbox
    wrong = "e2b_" + "0" * 40
    await fails(e2b.AuthenticationException, lambda: owner.create("minimal", api_key=wrong), "401")
    await fails(e2b.AuthenticationException, lambda: owner.list(api_key=wrong).next_items(), "401")
    await fails(e2b.SandboxException, lambda: owner.create("unknown"), "404", "unknown")
    await fails(e2b.SandboxException, lambda: owner.create("minimal", timeout=-1), "400", "timeout")


@check("a template that is not built yet is a busy service")
async def busy(f):
    kind = getattr(e2b, "ServiceBusyException", e2b.SandboxException)
    options = {"retries": 0} if kind is not e2b.SandboxException else {}
    await fails(kind, lambda: f.Sandbox.create(**options), "503")


@check("volumes, secrets and the gateway are refused by their names")
async def not_offered(f):
    secret = e2b.AsyncSecret if f.is_async else e2b.Secret
    await fails(e2b.VolumeException, lambda: f.Volume.create("one"), "400", "olume")
    await fails(e2b.VolumeException, lambda: f.Volume.list(), "400", "olume")
    await fails(e2b.SecretException, lambda: secret.create("one", "value"), "400", "ecret")
    await fails(e2b.SandboxException, lambda: f.Sandbox.create("minimal", mcp={"exa": {"apiKey": "x"}}), "400")
