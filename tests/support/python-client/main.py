"""Runs every check against a server: main.py URL, with the key in WRENN_API_KEY. Prints a line of JSON for each."""

import inspect
import json
import os
import sys
import traceback

import commands  # noqa: F401
import files  # noqa: F401
import lifecycle  # noqa: F401
import repositories  # noqa: F401
import snapshots  # noqa: F401
import terminals  # noqa: F401
from api import Api
from checks import CHECKS, capsule

api = Api(sys.argv[1], os.environ["WRENN_API_KEY"])
with capsule(api) as shared:
    for name, function in CHECKS:
        arguments = [api, shared][: len(inspect.signature(function).parameters)]
        try:
            function(*arguments)
            problem = None
        except Exception:
            problem = traceback.format_exc()
        print(json.dumps({"name": name, "problem": problem}), flush=True)
