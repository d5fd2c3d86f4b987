"""The SDK's git helper: the program of the capsule, run by the shell, in root's home unless told otherwise."""

from checks import check
from commands import run


def git(api, capsule_id, arguments):
    return run(api, capsule_id, f"git {arguments}", envs={"GIT_TERMINAL_PROMPT": "0"})


def succeed(api, capsule_id, arguments):
    result = git(api, capsule_id, arguments)
    assert result["exit_code"] == 0, result
    return result["stdout"]


@check("a repository from its first commit to its branches")
def repository(api, capsule_id):
    do = lambda arguments: succeed(api, capsule_id, arguments)
    do("init --initial-branch main project")
    do("-C project config user.name Someone")
    do("-C project config user.email someone@example.com")
    assert "## No commits yet on main" in do("-C project status --porcelain=v1 -b")
    run(api, capsule_id, "echo text > project/file")
    assert "?? file" in do("-C project status --porcelain=v1 -b")
    do("-C project add file")
    do("-C project commit -m 'The first'")
    assert do("-C project status --porcelain=v1 -b") == "## main\n"
    do("-C project checkout -b work")
    assert do("-C project branch --format='%(refname:short)'").split() == ["main", "work"]
    do("-C project checkout main")
    do("-C project branch -d work")
    assert do("-C project branch --format='%(refname:short)'").split() == ["main"]


@check("git's global configuration is kept; a key that is not there is exit code 1")
def configuration(api, capsule_id):
    succeed(api, capsule_id, "config --global color.ui never")
    assert succeed(api, capsule_id, "config --global --get color.ui") == "never\n"
    assert git(api, capsule_id, "config --global --get nothing.here")["exit_code"] == 1


@check("a repository that cannot be reached fails at once, and does not ask for a password")
def unreachable(api, capsule_id):
    result = git(api, capsule_id, "clone http://127.0.0.1:1/none.git /tmp/none")
    assert result["exit_code"] != 0 and "fatal:" in result["stderr"], result
