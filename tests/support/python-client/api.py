"""The API as the upstream Python SDK uses it (docs/reference/rest-api.md#clients): its library, its five seconds, its closed enumerations."""

from datetime import datetime

import httpx

STATUSES = {"pending", "starting", "running", "paused", "hibernated", "stopped", "missing", "error"}
TEMPLATE_TYPES = {"base", "snapshot"}
ENTRY_TYPES = {"file", "directory", "symlink"}
# Codes with an exception of their own; a code that is none of them reaches the user as the base error.
MAPPED_CODES = {
    "invalid_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "invalid_state",
    "conflict",
    "host_has_sandboxes",
    "host_has_capsules",
    "host_unavailable",
    "agent_error",
    "internal_error",
}
SLOW_SECONDS = 60


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code = status, code


def body_of(response):
    """What a response says: an error as an exception, no content as an empty dictionary."""
    if response.status_code >= 400:
        error = response.json()["error"]
        assert error["code"] in MAPPED_CODES, f"{error['code']} has no exception"
        raise Refused(response.status_code, error["code"], error["message"])
    return {} if response.status_code == 204 else response.json()


def aware(text):
    """A timestamp must carry its zone."""
    # Python 3.11 and later read a trailing Z themselves.
    assert datetime.fromisoformat(text).tzinfo is not None, text


def capsule_of(body):
    assert body["status"] in STATUSES, body
    for name in ("created_at", "started_at", "last_active_at", "last_updated"):
        if body.get(name) is not None:
            aware(body[name])
    for name in ("vcpus", "memory_mb", "timeout_sec", "disk_size_mb"):
        assert body.get(name) is None or isinstance(body[name], int), body
    assert all(isinstance(value, str) for value in (body.get("metadata") or {}).values()), body
    return body


def template_of(body):
    assert body["type"] in TEMPLATE_TYPES, body
    aware(body["created_at"])
    return body


def entry_of(body):
    assert body["type"] in ENTRY_TYPES, body
    assert isinstance(body["modified_at"], int) and isinstance(body["size"], int), body
    return body


class Api:
    """One client, as each capsule of the SDK has it: without a limit given, five seconds for each connect, read and write."""

    def __init__(self, url, key):
        self.url, self.key = url, key
        self.http = httpx.Client(base_url=url, headers={"X-API-Key": key})

    def get(self, path, **options):
        return body_of(self.http.get(path, **options))

    def post(self, path, body=None, **options):
        return body_of(self.http.post(path, json=body, **options))

    def delete(self, path):
        return body_of(self.http.delete(path))

    def create(self, **fields):
        return capsule_of(self.post("/v1/capsules", fields))

    def capsule(self, capsule_id):
        return capsule_of(self.get(f"/v1/capsules/{capsule_id}"))

    def destroy(self, capsule_id):
        assert self.delete(f"/v1/capsules/{capsule_id}") == {}

    def pause(self, capsule_id):
        return capsule_of(self.post(f"/v1/capsules/{capsule_id}/pause", timeout=SLOW_SECONDS))

    def resume(self, capsule_id):
        return capsule_of(self.post(f"/v1/capsules/{capsule_id}/resume"))
