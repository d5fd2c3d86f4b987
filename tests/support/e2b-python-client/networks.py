"""What sandboxes may reach, and who may reach them."""

import e2b
from checks import check, done


@check("the network of a sandbox is replaced as a whole", level="brief")
async def updated(f, sandbox):
    async def network():
        return (await done(sandbox.get_info())).network

    await done(sandbox.update_network({"deny_out": [e2b.ALL_TRAFFIC], "allow_out": ["203.0.113.7"]}))
    seen = await network()
    assert (seen["deny_out"], seen["allow_out"]) == ([e2b.ALL_TRAFFIC], ["203.0.113.7"]), seen
    await done(f.Sandbox.update_network(sandbox.sandbox_id, {"allow_internet_access": False}))
    assert (await network())["deny_out"] == [e2b.ALL_TRAFFIC], await network()
    await done(sandbox.update_network({}))
    seen = await network()
    assert (seen["deny_out"], seen["allow_out"]) == ([], []), seen


@check("a sandbox with closed ports has a token for them")
async def closed(f):
    sandbox = await f.create(network={"allow_public_traffic": False}, allow_internet_access=False)
    assert sandbox.traffic_access_token, sandbox.traffic_access_token
    info = await done(sandbox.get_info())
    assert info.allow_internet_access is False, info
    assert info.network["allow_public_traffic"] is False, info
    await done(sandbox.kill())
