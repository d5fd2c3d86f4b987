"""What the guide for Python uses of the package `wrenn`, on the wire of that package: for machines that cannot install it."""

import asyncio
import os
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

from api import Api, Refused
from checks import wait_ready

from .commands import Commands
from .files import Files
from .git import Git
from .terminal import Terminal

__version__ = "0.1.2"
__all__ = ["AsyncCapsule", "Capsule", "WrennClient", "WrennConflictError", "WrennNotFoundError"]


class WrennError(Exception):
    def __init__(self, refused):
        super().__init__(str(refused))
        self.code, self.status_code = refused.code, refused.status


class WrennNotFoundError(WrennError):
    pass


class WrennConflictError(WrennError):
    pass


def mapped(call):
    """Calls, and raises the exception that the package has for the code of a refusal."""
    try:
        return call()
    except Refused as error:
        kinds = {"not_found": WrennNotFoundError, "invalid_state": WrennConflictError, "conflict": WrennConflictError}
        raise kinds.get(error.code, WrennError)(error) from error


class WrennClient:
    def __init__(self):
        self.api = Api(os.environ["WRENN_BASE_URL"], os.environ["WRENN_API_KEY"])
        self.http = self.api.http
        self.snapshots = SimpleNamespace(delete=lambda name: self.api.delete(f"/v1/snapshots/{name}"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()


class Capsule:
    def __init__(self, template=None, vcpus=None, memory_mb=None, timeout=None, *, wait=False, capsule_id=None):
        self._client = WrennClient()
        self._api = self._client.api
        sizes = {"template": template, "vcpus": vcpus, "memory_mb": memory_mb, "timeout_sec": timeout}
        fields = {name: value for name, value in sizes.items() if value is not None}
        self.capsule_id = capsule_id or mapped(lambda: self._api.create(**fields))["id"]
        self.commands = Commands(self._api, self.capsule_id)
        self.files = Files(self._api, self.capsule_id)
        self.git = Git(self.commands)
        if wait:
            wait_ready(self._api, self.capsule_id)

    @classmethod
    def connect(cls, capsule_id):
        return cls(capsule_id=capsule_id, wait=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()
        self._client.http.close()

    def destroy(self):
        self._api.destroy(self.capsule_id)

    def pause(self):
        mapped(lambda: self._api.pause(self.capsule_id))

    def resume(self):
        mapped(lambda: self._api.resume(self.capsule_id))

    def get_info(self):
        body = self._api.capsule(self.capsule_id)
        created = datetime.fromisoformat(body["created_at"])
        return SimpleNamespace(status=SimpleNamespace(value=body["status"]), created_at=created)

    def create_snapshot(self, name, overwrite=False):
        params = {"overwrite": "true"} if overwrite else {}
        body = {"sandbox_id": self.capsule_id, "name": name}
        return SimpleNamespace(**self._api.post("/v1/snapshots", body, params=params, timeout=60))

    def pty(self, cols=80, rows=24):
        return Terminal(self._api, self.capsule_id, cols, rows)

    def get_url(self, port):
        return f"http://{port}-{self.capsule_id}.{urlsplit(self._api.url).netloc}"


class AsyncCapsule:
    """The same in threads."""

    def __init__(self, capsule):
        self._capsule = capsule
        self.commands = SimpleNamespace(run=lambda *args, **options: asyncio.to_thread(capsule.commands.run, *args, **options))

    @classmethod
    async def create(cls, **options):
        return cls(await asyncio.to_thread(lambda: Capsule(**options)))

    async def destroy(self):
        await asyncio.to_thread(self._capsule.destroy)

