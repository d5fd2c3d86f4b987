"""A list of named checks, and what they need: a capsule each, or one that they share."""

import time
from contextlib import contextmanager

from api import Refused

CHECKS = []


def check(name):
    def add(function):
        CHECKS.append((name, function))
        return function

    return add


@contextmanager
def capsule(api, **fields):
    """A capsule that is destroyed afterwards."""
    capsule_id = api.create(**fields)["id"]
    try:
        wait_ready(api, capsule_id)
        yield capsule_id
    finally:
        api.destroy(capsule_id)


def wait_ready(api, capsule_id):
    """Polls until the capsule runs, and wakes one that is paused."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = api.capsule(capsule_id)["status"]
        if status == "running":
            return
        assert status not in ("error", "stopped"), status
        if status == "paused":
            api.resume(capsule_id)
        time.sleep(0.5)
    raise AssertionError(f"{capsule_id} is not ready after 30 s")


def refused(code, call):
    """Asserts that `call` is refused with `code`."""
    try:
        call()
    except Refused as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"not refused with {code}")
