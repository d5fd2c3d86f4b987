"""Templates made from capsules."""

from api import SLOW_SECONDS, template_of
from checks import capsule, check
from commands import run


def snapshot(api, capsule_id, **params):
    body = {"sandbox_id": capsule_id, "name": "from-python"}
    return template_of(api.post("/v1/snapshots", body, params=params, timeout=SLOW_SECONDS))


@check("a capsule becomes a template, is started from, replaced and deleted")
def life_of_a_template(api):
    with capsule(api) as capsule_id:
        run(api, capsule_id, "echo first > /root/note")
        assert snapshot(api, capsule_id)["name"] == "from-python"
    try:
        with capsule(api, template="from-python") as capsule_id:
            assert run(api, capsule_id, "cat /root/note")["stdout"] == "first\n"
            run(api, capsule_id, "echo second > /root/note")
            assert snapshot(api, capsule_id, overwrite="true")["type"] == "snapshot"
        names = {template_of(item)["name"] for item in api.get("/v1/snapshots")}
        assert {"from-python", "minimal"} <= names, names
        assert "minimal" not in [item["name"] for item in api.get("/v1/snapshots", params={"type": "snapshot"})]
        with capsule(api, template="from-python") as capsule_id:
            assert run(api, capsule_id, "cat /root/note")["stdout"] == "second\n"
    finally:
        assert api.delete("/v1/snapshots/from-python") == {}
