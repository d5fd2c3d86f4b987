"""The kernel: ipykernel's, with variables for each execution."""

import asyncio
import importlib
import io
import os
import signal
import sys

from ipykernel.ipkernel import IPythonKernel

from .formatters import add_formatters


class InterpreterKernel(IPythonKernel):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._is_fresh = True
        add_formatters(self.shell)

    def start(self):
        preload(os.environ.pop("WRENN_PRELOAD", ""))
        super().start()
        # An event loop that handles one signal wakes up for all of them: an interrupt must end a cell that waits.
        asyncio.get_event_loop().add_signal_handler(signal.SIGUSR2, lambda: None)

    async def execute_request(self, stream, ident, parent):
        metadata = parent.get("metadata", {})
        os.environ.update(metadata.get("environment", {}))
        variables = metadata.get("variables", {})
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        if self._is_fresh:
            self._is_fresh = False
            reseed()
        try:
            await super().execute_request(stream, ident, parent)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def preload(names):
    """Imports modules, so that they are in memory when cells import them, and draws once: that loads fonts."""
    for name in filter(None, names.split(",")):
        importlib.import_module(name)
    if "matplotlib.pyplot" in sys.modules:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().plot([1, 2], label="text")
        FigureCanvasAgg(figure).print_png(io.BytesIO())


def reseed():
    """Kernels are frozen with their templates: without this, all their capsules would draw the same numbers."""
    import random

    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "ssl" in sys.modules:
        sys.modules["ssl"].RAND_add(os.urandom(32), 32)
