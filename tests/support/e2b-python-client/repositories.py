"""Repositories by the client's helper for git, with a remote in the sandbox."""

from checks import check, done, fails
from e2b import GitUpstreamException, InvalidArgumentException

PATH = "/home/user/repository"
REMOTE = "/home/user/remote.git"


@check("a setting of git is written and read")
async def setting(f, sandbox):
    await done(sandbox.git.set_config("wrenn.test", "yes"))
    assert await done(sandbox.git.get_config("wrenn.test")) == "yes"


@check("a repository is made, changed, compared, pushed and cloned", level="long", limit=240)
async def repository(f, sandbox):
    git = sandbox.git
    await done(git.init(PATH, initial_branch="main"))
    await done(git.init(REMOTE, bare=True, initial_branch="main"))
    await done(git.configure_user("Tester", "tester@wrenn.test"))
    await done(git.set_config("pull.rebase", "false"))
    assert await done(git.get_config("user.email")) == "tester@wrenn.test"
    await done(sandbox.files.write(f"{PATH}/one.txt", "one\n"))
    await done(git.add(PATH))
    await done(git.commit(PATH, "First"))
    await done(sandbox.files.write(f"{PATH}/one.txt", "changed\n"))
    status = await done(git.status(PATH))
    assert (status.current_branch, status.is_clean, status.total_count) == ("main", False, 1), status
    await done(git.restore(PATH, ["one.txt"]))
    assert (await done(git.status(PATH))).is_clean
    await fails(GitUpstreamException, lambda: git.pull(PATH))
    await done(git.remote_add(PATH, "origin", REMOTE))
    assert await done(git.remote_get(PATH, "origin")) == REMOTE
    await done(git.push(PATH, "origin", "main"))
    await done(git.pull(PATH, "origin", "main"))
    await done(git.create_branch(PATH, "side"))
    await done(git.commit(PATH, "Second", allow_empty=True))
    await done(git.reset(PATH, "hard", "HEAD~1"))
    await done(git.checkout_branch(PATH, "main"))
    branches = await done(git.branches(PATH))
    assert (sorted(branches.branches), branches.current_branch) == (["main", "side"], "main"), branches
    await done(git.delete_branch(PATH, "side", force=True))
    await done(git.clone(REMOTE, path="/home/user/clone", branch="main", depth=1))
    assert await done(sandbox.files.read("/home/user/clone/one.txt")) == "one\n"
    await done(git.dangerously_authenticate("name", "word", host="wrenn.test"))
    assert "wrenn.test" in await done(sandbox.files.read("/home/user/.git-credentials"))
    await fails(InvalidArgumentException, lambda: git.dangerously_authenticate("", "word"))
