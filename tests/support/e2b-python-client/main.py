"""
Runs checks with the published client, whose settings are variables of the environment: main.py FLAVOR LEVEL [domain]

Prints a line of JSON for each check, and for methods of the client that none of them called.
"""

import asyncio
import importlib
import json
import os
import sys
import traceback

from checks import CHECKS, LEVELS, Flavor, done, run_within
from covered import Coverage

PARTS = ["commands", "terminals", "files", "watches", "networks", "repositories"]
MODULES = ["sandboxes", *PARTS, "refusals", "ends", "templates", "builds"]


def main():
    name, level = sys.argv[1:3]
    if level == "interpreter":
        flavor = Flavor(name, importlib.import_module("e2b_code_interpreter"))
        template, modules, levels = "code-interpreter-v1", ["interpreter"], ["interpreter"]
    else:
        flavor = Flavor(name)
        template, modules, levels = "minimal", MODULES, LEVELS[: LEVELS.index(level) + 1] + sys.argv[3:]
    for module in modules:
        importlib.import_module(module)
    coverage = Coverage(flavor, level)
    shared = asyncio.run(flavor.create(template, envs={"OF_THE_SANDBOX": "seen"}))
    try:
        for one in CHECKS:
            if one.applies(flavor, levels):
                arguments = [flavor, shared][: one.function.__code__.co_argcount]
                report(one.name, run_within(one.limit, lambda: one.function(*arguments), coverage.profile))
    finally:
        asyncio.run(done(shared.kill()))
    if level not in ("smoke", "brief"):
        missing = coverage.missing()
        report("every public method is called", f"not called: {', '.join(missing)}" if missing else None)


def report(name, problem):
    print(json.dumps({"name": name, "problem": problem}), flush=True)


try:
    main()
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
# Threads of checks that hung would keep the process.
sys.stdout.flush()
os._exit(0)
