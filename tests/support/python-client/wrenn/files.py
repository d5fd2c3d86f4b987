"""Files, by the requests of the package."""

import os
from types import SimpleNamespace

from api import body_of
from files import entries, exists, path_of, read, write


class Files:
    def __init__(self, api, capsule_id):
        self._api, self._id = api, capsule_id

    def write(self, path, data):
        write(self._api, self._id, path, data.encode() if isinstance(data, str) else data)

    def read(self, path):
        return read(self._api, self._id, path).decode()

    def list(self, path):
        found = entries(self._api, self._id, path)
        return [SimpleNamespace(name=entry["name"], type=SimpleNamespace(value=entry["type"])) for entry in found]

    def exists(self, path):
        return exists(self._api, self._id, path)

    def make_dir(self, path):
        self._api.post(path_of(self._id, "mkdir"), {"path": path})

    def remove(self, path):
        self._api.post(path_of(self._id, "remove"), {"path": path})

    def upload_stream(self, path, pieces):
        boundary = os.urandom(16).hex()
        part = f"--{boundary}\r\nContent-Disposition: form-data; name="

        def form():
            yield f'{part}"path"\r\n\r\n{path}\r\n'.encode()
            yield f'{part}"file"; filename="upload.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
            yield from pieces
            yield f"\r\n--{boundary}--\r\n".encode()

        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        body_of(self._api.http.post(path_of(self._id, "stream/write"), content=form(), headers=headers))

    def download_stream(self, path):
        with self._api.http.stream("POST", path_of(self._id, "stream/read"), json={"path": path}) as response:
            response.raise_for_status()
            yield from response.iter_bytes()
