"""Git, by the program in the capsule."""

import shlex
from types import SimpleNamespace


class Git:
    def __init__(self, commands):
        self._commands = commands

    def _run(self, *args, cwd=None):
        result = self._commands.run(shlex.join(["git", *args]), cwd=cwd, envs={"GIT_TERMINAL_PROMPT": "0"})
        assert result.exit_code == 0, result
        return result.stdout

    def init(self, path, initial_branch):
        self._run("init", "--initial-branch", initial_branch, path)

    def configure_user(self, name, email, cwd):
        self._run("config", "user.name", name, cwd=cwd)
        self._run("config", "user.email", email, cwd=cwd)

    def add(self, cwd, all):
        assert all
        self._run("add", "-A", cwd=cwd)

    def commit(self, message, cwd):
        self._run("commit", "-m", message, cwd=cwd)

    def status(self, cwd):
        head, *changes = self._run("status", "--porcelain=v1", "--branch", cwd=cwd).splitlines()
        return SimpleNamespace(branch=head[3:].split("...")[0], is_clean=not changes)
