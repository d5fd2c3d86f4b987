"""The life of a capsule."""

from api import Api, capsule_of
from checks import capsule, check, refused, wait_ready


@check("a capsule is created and destroyed; afterwards it can still be looked up")
def create_and_destroy(api):
    made = api.create()
    assert made["id"].startswith("cl-"), made
    api.destroy(made["id"])
    assert api.capsule(made["id"])["status"] in ("stopped", "missing")


@check("what was asked for is what is made")
def sizes(api):
    with capsule(api, template="minimal", vcpus=1, memory_mb=256, timeout_sec=300) as capsule_id:
        info = api.capsule(capsule_id)
        assert (info["template"], info["vcpus"], info["memory_mb"], info["timeout_sec"]) == ("minimal", 1, 256, 300)
        assert info["id"] == capsule_id and info["status"] == "running"


@check("pause answers paused, resume answers running")
def pause_and_resume(api):
    with capsule(api) as capsule_id:
        assert api.pause(capsule_id)["status"] == "paused"
        assert api.resume(capsule_id)["status"] == "running"


@check("a second client finds the capsule, and wakes it when it is paused")
def connect(api):
    with capsule(api) as capsule_id:
        other = Api(api.url, api.key)
        assert other.capsule(capsule_id)["status"] == "running"
        api.pause(capsule_id)
        assert other.capsule(capsule_id)["status"] == "paused"
        wait_ready(other, capsule_id)
        assert other.post(f"/v1/capsules/{capsule_id}/exec", {"cmd": "/bin/sh", "args": ["-c", "echo up"]})["stdout"] == "up\n"


@check("the list has the capsule, and every entry can be read")
def listed(api):
    with capsule(api) as capsule_id:
        assert capsule_id in [capsule_of(item)["id"] for item in api.get("/v1/capsules")]


@check("a ping is taken")
def ping(api):
    with capsule(api) as capsule_id:
        api.post(f"/v1/capsules/{capsule_id}/ping")
        assert api.capsule(capsule_id)["status"] == "running"


@check("refusals have the codes that become exceptions")
def refusals(api):
    refused("not_found", lambda: api.capsule("cl-" + "0" * 25))
    refused("invalid_request", lambda: api.capsule("nonsense"))
    refused("unauthorized", lambda: Api(api.url, "wrn_" + "0" * 32).get("/v1/capsules"))
    refused("not_found", lambda: api.create(template="nowhere"))
    with capsule(api) as capsule_id:
        refused("invalid_state", lambda: api.resume(capsule_id))
        api.pause(capsule_id)
        refused("invalid_state", lambda: api.post(f"/v1/capsules/{capsule_id}/exec", {"cmd": "true"}))
