"""WebSockets as httpx-ws opens them: the key in a header, no sub-protocol, no extension."""

import json
import socket
import time
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage

SECONDS = 60


class Socket:
    def __init__(self, api, path):
        target = urlsplit(api.url)
        self.tcp = socket.create_connection((target.hostname, target.port), timeout=5)
        self.connection = WSConnection(ConnectionType.CLIENT)
        headers = [("X-API-Key", api.key)]
        self.tcp.sendall(self.connection.send(Request(host=target.netloc, target=path, extra_headers=headers)))
        self.events = self.read()
        first = next(self.events)
        assert not isinstance(first, RejectConnection), f"refused with {first.status_code}"
        assert isinstance(first, AcceptConnection), first
        self.tcp.settimeout(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.close()

    def read(self):
        """Every event until the server closes; pings are answered."""
        while True:
            self.connection.receive_data(self.tcp.recv(65536) or None)
            for event in self.connection.events():
                if isinstance(event, Ping):
                    self.tcp.sendall(self.connection.send(event.response()))
                yield event
                if isinstance(event, CloseConnection):
                    return

    def send(self, message):
        self.tcp.sendall(self.connection.send(TextMessage(json.dumps(message))))

    def messages(self):
        """JSON messages, whole: a message may come in several frames."""
        deadline, text = time.monotonic() + SECONDS, ""
        for event in self.events:
            assert time.monotonic() < deadline, "no end"
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    yield json.loads(text)
                    text = ""

    def until(self, wanted):
        """The messages up to the first one for which `wanted` holds."""
        seen = []
        for message in self.messages():
            seen.append(message)
            if wanted(message):
                return seen
        raise AssertionError(f"closed after {seen}")

    def until_exit(self):
        return self.until(lambda message: message["type"] in ("exit", "error"))
