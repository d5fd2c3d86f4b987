"""Files, by the requests that the SDK's methods are made of."""

import os
import posixpath

from api import Refused, body_of, entry_of
from checks import check, refused


def path_of(capsule_id, verb):
    return f"/v1/capsules/{capsule_id}/files/{verb}"


def write(api, capsule_id, path, data):
    # httpx places the text field before the file.
    body_of(api.http.post(path_of(capsule_id, "write"), files={"file": ("upload", data)}, data={"path": path}))


def read(api, capsule_id, path):
    response = api.http.post(path_of(capsule_id, "read"), json={"path": path})
    if response.status_code >= 400:
        body_of(response)
    return response.content


def entries(api, capsule_id, path, depth=1):
    return [entry_of(entry) for entry in api.post(path_of(capsule_id, "list"), {"path": path, "depth": depth})["entries"]]


def exists(api, capsule_id, path):
    try:
        return posixpath.basename(path) in [entry["name"] for entry in entries(api, capsule_id, posixpath.dirname(path))]
    except Refused as error:
        assert error.code == "not_found", error
        return False


@check("a file is written, its parents with it, read back as text and bytes, and replaced")
def written(api, capsule_id):
    for data in ("grüße\n".encode(), os.urandom(300_000), b""):
        write(api, capsule_id, "/tmp/new/deep/file", data)
        assert read(api, capsule_id, "/tmp/new/deep/file") == data
    refused("not_found", lambda: read(api, capsule_id, "/tmp/nowhere"))


@check("directories are listed to the depth asked for")
def listing(api, capsule_id):
    write(api, capsule_id, "/tmp/tree/one/two/file", b"12345")
    assert [(item["name"], item["type"]) for item in entries(api, capsule_id, "/tmp/tree")] == [("one", "directory")]
    deep = {item["path"]: item for item in entries(api, capsule_id, "/tmp/tree", 3)}
    assert deep["/tmp/tree/one/two/file"]["size"] == 5, deep
    assert deep["/tmp/tree/one/two/file"]["permissions"].startswith("-rw"), deep


@check("whether a path exists is found in the list of its parent")
def existing(api, capsule_id):
    write(api, capsule_id, "/tmp/here", b"x")
    assert exists(api, capsule_id, "/tmp/here")
    assert not exists(api, capsule_id, "/tmp/elsewhere")
    assert not exists(api, capsule_id, "/tmp/no/parent")


@check("a directory is made once; the second time is a conflict, and the entry is found")
def directories(api, capsule_id):
    make = lambda: api.post(path_of(capsule_id, "mkdir"), {"path": "/tmp/made/inner"})
    assert entry_of(make()["entry"])["type"] == "directory"
    refused("conflict", make)
    assert exists(api, capsule_id, "/tmp/made/inner")


@check("files and whole directories are removed")
def removed(api, capsule_id):
    write(api, capsule_id, "/tmp/gone/file", b"x")
    for path in ("/tmp/gone/file", "/tmp/gone"):
        assert api.post(path_of(capsule_id, "remove"), {"path": path}) == {}
        assert not exists(api, capsule_id, path)


@check("a stream of unknown length is uploaded and downloaded exactly")
def streams(api, capsule_id):
    data, boundary = os.urandom(3_000_000), os.urandom(16).hex()

    def parts():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n/tmp/streamed\r\n'.encode()
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload.bin"\r\n'.encode()
        yield b"Content-Type: application/octet-stream\r\n\r\n"
        for at in range(0, len(data), 65_536):
            yield data[at : at + 65_536]
        yield f"\r\n--{boundary}--\r\n".encode()

    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body_of(api.http.post(path_of(capsule_id, "stream/write"), content=parts(), headers=headers))
    with api.http.stream("POST", path_of(capsule_id, "stream/read"), json={"path": "/tmp/streamed"}) as response:
        response.raise_for_status()
        assert b"".join(response.iter_bytes()) == data
    with api.http.stream("POST", path_of(capsule_id, "stream/read"), json={"path": "/tmp/none"}) as response:
        assert response.status_code == 404
