"""Builds of templates: every step that the client can write, and what fails in them."""

import os
import tempfile

from checks import check, done, eventually, fails
from e2b import BuildException, TemplateBuildStatus, wait_for_file

UNDER_WAY = (TemplateBuildStatus.WAITING, TemplateBuildStatus.BUILDING)
COMMIT = "git -c user.name=t -c user.email=t@wrenn.test commit -qm x --allow-empty"
LOOK = """cat made/renamed link ../src/lib/code.txt ../configs/two.cfg
ls gone clone/.git/HEAD
stat -c '%a %U' /etc/one
pwd
pgrep -c sleep
"""


@check("a template is built of every step that needs no network, and its status is followed", level="long", limit=600)
async def built(f, sandbox):
    name = f"built-{sandbox.sandbox_id}"
    lines = []
    with tempfile.TemporaryDirectory() as context:
        os.makedirs(f"{context}/app/lib")
        for path, text in (("app/lib/code.txt", "code\n"), ("one.cfg", "one\n"), ("two.cfg", "two\n")):
            with open(f"{context}/{path}", "w") as file:
                file.write(text)
        template = (
            f.Template(file_context_path=context)
            .from_template("minimal")
            .skip_cache()
            .copy("app", "src/")
            .copy_items([{"src": "*.cfg", "dest": "configs/"}])
            .copy("one.cfg", "/etc/one", user="root", mode=0o600)
            .set_envs({"MODE": "built"})
            .set_workdir("/home/user/work")
            .make_dir("made", mode=0o700)
            .run_cmd(["echo $MODE > made/mode", "echo x > gone"])
            .rename("made/mode", "made/renamed")
            .remove("gone")
            .make_symlink("made/renamed", "link")
            .run_cmd(["git init -q /tmp/origin", "cd /tmp/origin", COMMIT])
            .git_clone("/tmp/origin", "clone")
            .set_user("user")
            .set_start_cmd("touch /tmp/started; sleep infinity", wait_for_file("/tmp/started"))
        )
        options = {"tags": ["v1"], "cpu_count": 1, "memory_mb": 512, "on_build_logs": lines.append}
        info = await done(f.Template.build(template, name, **options))
    assert lines, "the log is passed on"
    assert (await done(f.Template.get_build_status(info))).status == TemplateBuildStatus.READY
    made = await done(f.Sandbox.create(f"{name}:v1", timeout=300))
    seen = (await done(made.commands.run(LOOK))).stdout
    assert seen == "built\nbuilt\ncode\ntwo\nclone/.git/HEAD\n600 root\n/home/user/work\n1\n", seen
    await done(made.kill())


@check("a build in the background is asked for, and says which step has failed", level="long", limit=300)
async def failing(f, sandbox):
    template = f.Template().from_template("minimal").run_cmd("echo to be seen; exit 3")
    info = await done(f.Template.build_in_background(template, f"failing-{sandbox.sandbox_id}"))

    async def is_over():
        status = await done(f.Template.get_build_status(info, logs_offset=0))
        return status if status.status not in UNDER_WAY else None

    status = await eventually("the build has ended", is_over, seconds=250)
    assert status.status == TemplateBuildStatus.ERROR, status
    assert "3" in status.reason.message, status.reason
    literal = "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'root123'"
    unknown = f.Template().from_template("minimal").run_cmd("whoami", user="root123")
    await fails(BuildException, lambda: f.Template.build(unknown, f"unknown-{sandbox.sandbox_id}"), literal)
