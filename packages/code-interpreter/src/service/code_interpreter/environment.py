"""Variables of cells: those of the capsule, and those of one execution."""

import re

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# The hook that writes the file runs as another user, in another directory.
OF_ITS_WRITER = frozenset(
    ["_", "HOME", "LOGNAME", "OLDPWD", "PWD", "SHELL", "SHLVL", "USER", "XDG_RUNTIME_DIR"]
    + ["WRENN_DEFAULT_CWD", "WRENN_DEFAULT_USER"]
)

MOST_BYTES = 4 * 2**20


def is_variable(name, value):
    """Whether a process can have this variable."""
    return NAME.match(name) is not None and isinstance(value, str) and "\0" not in value


def read_capsule_environment(path):
    """
    The capsule's default environment. A restore hook writes it whenever the capsule starts from frozen memory, so it is read
    for each execution. Without the file there is none: a build, or a machine that is no capsule.
    """
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return {
        name: value for name, _, value in pairs if is_variable(name, value) and name not in OF_ITS_WRITER
    }
