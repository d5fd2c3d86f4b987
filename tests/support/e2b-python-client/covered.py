"""Which public methods of the client were called, seen by the interpreter's profiler: the client itself stays as it is."""

import inspect
import os
from typing import get_type_hints

import e2b

PACKAGE = os.path.dirname(e2b.__file__)

# Methods that write the steps of a template, without the server: builds of a check show what becomes of them.
STEPS = os.path.join(PACKAGE, "template", "main.py")


class Coverage:
    """
    Volumes and secrets are left out: the server does not offer them, which a check of its own shows. Repositories take long, and are
    left to the long checks.
    """

    def __init__(self, flavor, level):
        self._left_out = {STEPS} if level == "long" else {STEPS, inspect.getfile(_part(flavor, "git"))}
        self._wanted = {}
        self._class_variants = {}
        self._seen = set()
        if level == "interpreter":
            for name in vars(flavor.Sandbox):
                if not name.startswith("_") and not hasattr(e2b.Sandbox, name):
                    self._add(flavor.Sandbox, name)
            return
        for owner in _classes(flavor):
            for name in dir(owner):
                if not name.startswith("_"):
                    self._add(owner, name)

    def profile(self, frame, event, argument):
        """Is called by the interpreter at each call of a function."""
        if event != "call":
            return
        name = self._wanted.get(frame.f_code)
        if name is not None:
            self._seen.add(name)
        name = self._class_variants.get(frame.f_code)
        if name is not None and _is_ours(frame.f_back):
            self._seen.add(name)

    def missing(self):
        return sorted({*self._wanted.values(), *self._class_variants.values()} - self._seen)

    def _add(self, owner, name):
        value = inspect.getattr_static(owner, name)
        title = f"{owner.__name__}.{name}"
        variant = getattr(value, "class_method_name", None)
        if variant is not None:
            method = inspect.getattr_static(owner, variant).__func__
            self._class_variants[inspect.unwrap(method).__code__] = f"{title} without a sandbox"
            value = value.method
        for inner in ("fget", "__func__"):
            value = getattr(value, inner, value)
        code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
        if code is not None and code.co_filename not in self._left_out:
            self._wanted[code] = title


def _is_ours(frame):
    """Whether the caller is a check, or the descriptor by which a check calls the class."""
    return (
        frame is None
        or not frame.f_code.co_filename.startswith(PACKAGE)
        or frame.f_code.co_name == "_wrapper"
    )


def _classes(flavor):
    """The classes of one flavor that the package exports, and those of the parts of a sandbox."""
    places = tuple(f"e2b.{part}_{flavor.name}" for part in ("sandbox", "template"))
    for name in e2b.__all__:
        value = getattr(e2b, name)
        if inspect.isclass(value) and value.__module__.startswith(places):
            yield value
    for part in ("files", "commands", "pty", "git"):
        yield _part(flavor, part)


def _part(flavor, name):
    """The class of a part of a sandbox."""
    return get_type_hints(getattr(flavor.Sandbox, name).fget)["return"]
