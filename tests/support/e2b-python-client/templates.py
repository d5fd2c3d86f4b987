"""Templates: whether they exist, their tags, their builds."""

import e2b
from checks import check, done, fails
from e2b import BuildException, TemplateException


@check("templates exist by name")
async def exist(f):
    for exists in (f.Template.exists, f.Template.alias_exists):
        assert await done(exists("minimal")) is True
        assert await done(exists("not-there")) is False


@check("tags of an unknown template are refused")
async def untagged(f):
    await fails(TemplateException, lambda: f.Template.get_tags("not-there"), "404")


@check("a build that cannot start is refused, and an unknown one has no status")
async def refused(f):
    builder = f.Template().from_template("not-there").run_cmd("true")
    await fails(BuildException, lambda: f.Template.build(builder, "refused"), "not-there")
    nothing = "00000000-0000-0000-0000-000000000000"
    info = e2b.BuildInfo(template_id="minimal", build_id=nothing, name="minimal", alias="minimal", tags=[])
    await fails(BuildException, lambda: f.Template.get_build_status(info), "404")
    await fails(BuildException, lambda: f.Template.build_in_background(builder, "no name"), "400")
