"""Starts the service. See README.md of the package for its options."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile

from tornado.httpserver import HTTPServer

from .bash_kernel import BashKernel
from .contexts import Contexts
from .environment import read_capsule_environment
from .javascript_kernel import JavaScriptKernel
from .kernel import KernelDied
from .python_kernel import PythonKernel
from .server import make_application

LARGEST_BODY = 32 * 2**20


class Service:
    def __init__(self, contexts):
        self.contexts = contexts
        self.is_ready = False


def parse_arguments():
    parser = argparse.ArgumentParser(prog="code_interpreter")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=49999)
    parser.add_argument("--cwd", default=os.path.expanduser("~"), help="directory of contexts without one")
    parser.add_argument("--environment", help="file with the capsule's variables, as `env -0` writes them")
    parser.add_argument("--node", default="node", help="program that runs the JavaScript kernel")
    parser.add_argument("--warm", default="python", help="languages whose default contexts start at once")
    parser.add_argument("--preload", default="", help="modules that the first Python kernel imports beforehand")
    return parser.parse_args()


async def serve(options):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if options.environment:
        # A restore hook writes there, as this user or as root.
        os.makedirs(os.path.dirname(options.environment), mode=0o700, exist_ok=True)
    preload = [name for name in options.preload.split(",") if name]
    with tempfile.TemporaryDirectory(prefix="code-interpreter-") as directory:

        def make_kernel(language):
            if language == "python":
                first, preload[:] = list(preload), []
                return PythonKernel(directory, os.path.join(here, "python-kernel", "run.py"), first)
            if language == "bash":
                return BashKernel()
            program = os.path.join(here, "javascript-kernel", "kernel.ts")
            return JavaScriptKernel(options.node, program)

        contexts = Contexts(make_kernel, lambda: read_capsule_environment(options.environment), options.cwd)
        service = Service(contexts)
        server = HTTPServer(make_application(service), max_body_size=LARGEST_BODY)
        server.listen(options.port, address=options.host)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        # Listed from the start, as clients expect, though started when they are needed.
        for language in ("python", "javascript"):
            contexts.default_of(language)
        try:
            for language in filter(None, options.warm.split(",")):
                await contexts.default_of(language).start()
            service.is_ready = True
            port = next(iter(server._sockets.values())).getsockname()[1]
            print(f"listening on port {port}", flush=True)
            await stop.wait()
        except KernelDied as error:
            sys.exit(f"code_interpreter: {error}")
        finally:
            server.stop()
            await contexts.close()


def main():
    asyncio.run(serve(parse_arguments()))
