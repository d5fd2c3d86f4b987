"""The HTTP protocol of code interpreters, as E2B's clients speak it."""

import asyncio
import json

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from .contexts import RequestProblem, language_of
from .environment import is_variable
from .kernel import Cell, KernelDied

KEEPALIVE_SEC = 5

MOST_VARIABLES = 1000


class Handler(RequestHandler):
    def initialize(self, service):
        self.service = service

    def check_xsrf_cookie(self):
        pass

    def write_error(self, status_code, **kwargs):
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        message = str(error) if isinstance(error, (RequestProblem, KernelDied)) else self._reason
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"code": status_code, "message": message}))

    def _handle_request_exception(self, error):
        if isinstance(error, RequestProblem):
            self.send_error(error.status, exc_info=(type(error), error, None))
        elif isinstance(error, KernelDied):
            self.send_error(500, exc_info=(type(error), error, None))
        else:
            super()._handle_request_exception(error)

    def body(self):
        """The request's JSON object; an absent body is an empty one."""
        try:
            value = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise RequestProblem(400, f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise RequestProblem(400, "the body must be a JSON object")
        return value

    def answer(self, value):
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value))


class Health(Handler):
    def get(self):
        if not self.service.is_ready:
            raise RequestProblem(503, "the kernels are being started")
        self.answer({"status": "ok"})


class AllContexts(Handler):
    def get(self):
        self.answer([context.describe() for context in self.service.contexts.all()])

    async def post(self):
        body = self.body()
        language = language_of(body.get("language") or "python")
        context = await self.service.contexts.create(language, body.get("cwd"))
        self.set_status(201)
        self.answer(context.describe())


class OneContext(Handler):
    async def delete(self, identity):
        await self.service.contexts.remove(identity)
        self.set_status(204)


class Restart(Handler):
    async def post(self, identity):
        await self.service.contexts.get(identity).restart()
        self.set_status(204)


class Execute(Handler):
    def initialize(self, service):
        super().initialize(service)
        self._execution = None

    async def post(self):
        context, language, code, variables = self._request()
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("Cache-Control", "no-store")
        # The client has its response, and its own timeout for the cell begins.
        await self.flush()
        self._execution = context.execute(lambda environment: Cell(code, language, environment, variables))
        try:
            await self._stream(self._execution)
        except StreamClosedError:
            pass
        finally:
            self._execution.abandon()

    def on_connection_close(self):
        if self._execution is not None:
            self._execution.abandon()

    async def _stream(self, execution):
        kind = None
        while kind != "end_of_execution":
            line = await self._next_line(execution)
            if line is None:
                return
            kind = line["type"]
            self.write(json.dumps(line, allow_nan=False, default=str) + "\n")
            await self.flush()

    async def _next_line(self, execution):
        """None once the client is gone."""
        line = asyncio.ensure_future(execution.next_line())
        gone = asyncio.ensure_future(execution.is_abandoned.wait())
        await asyncio.wait({line, gone}, timeout=KEEPALIVE_SEC, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if line.done():
            return line.result()
        line.cancel()
        return None if execution.is_abandoned.is_set() else {"type": "keepalive"}

    def _request(self):
        body = self.body()
        code = body.get("code")
        if not isinstance(code, str):
            raise RequestProblem(400, "code must be a string")
        named, identity = body.get("language"), body.get("context_id")
        if named is not None and identity is not None:
            raise RequestProblem(400, "Only one of context_id or language can be provided")
        variables = body.get("env_vars") or {}
        if not isinstance(variables, dict) or len(variables) > MOST_VARIABLES:
            raise RequestProblem(400, f"env_vars must be an object with at most {MOST_VARIABLES} members")
        for name, value in variables.items():
            if not is_variable(name, value):
                raise RequestProblem(400, f"env_vars: {name[:100]!r} is not a variable with a string as its value")
        if identity is not None:
            context = self.service.contexts.get(identity)
            return context, context.language, code, variables
        language = language_of(named or "python")
        return self.service.contexts.default_of(language), language, code, variables


def make_application(service):
    arguments = {"service": service}
    return Application(
        [
            (r"/health", Health, arguments),
            (r"/execute", Execute, arguments),
            (r"/contexts", AllContexts, arguments),
            (r"/contexts/([^/]+)", OneContext, arguments),
            (r"/contexts/([^/]+)/restart", Restart, arguments),
        ],
        default_handler_class=Unknown,
        default_handler_args=arguments,
    )


class Unknown(Handler):
    def prepare(self):
        raise RequestProblem(404, f"there is no {self.request.method} {self.request.path[:200]} here")
