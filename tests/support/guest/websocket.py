"""WebSockets (RFC 6455) for the services that tests start in capsules: no extensions, a thread for each connection."""

import base64
import hashlib
import struct
import threading

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(handler, protocols=()):
    """Answers the upgrade that an http.server handler was asked for, with the first of its sub-protocols we speak."""
    digest = hashlib.sha1((handler.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()
    offered = [name.strip() for name in handler.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    handler.close_connection = True
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
    for name in [name for name in protocols if name in offered][:1]:
        handler.send_header("Sec-WebSocket-Protocol", name)
    handler.end_headers()
    return WebSocket(handler.rfile, handler.wfile)


class WebSocket:
    def __init__(self, reader, writer):
        self.reader, self.writer, self.lock = reader, writer, threading.Lock()

    def send(self, opcode, payload=b""):
        """Sends one unfragmented frame; threads may send at once."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        with self.lock:
            self.writer.write(head)
            self.writer.write(payload)

    def close(self, code, reason=""):
        self.send(CLOSE, struct.pack("!H", code) + reason.encode())

    def receive(self):
        """The next control frame or whole message as (opcode, payload); ConnectionError when the other side is gone."""
        kind, parts = None, []
        while True:
            final, opcode, payload = self._frame()
            if opcode >= CLOSE:
                return opcode, payload
            kind = kind or opcode
            parts.append(payload)
            if final:
                return kind, b"".join(parts)

    def _frame(self):
        first, second = self._exactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4)
        masked = self._exactly(size)
        # One big number: a loop over 16 MiB would take minutes in an emulated machine.
        key = (mask * (size // 4 + 1))[:size]
        clear = int.from_bytes(masked, "big") ^ int.from_bytes(key, "big")
        return first & 0x80, first & 15, clear.to_bytes(size, "big")

    def _exactly(self, size):
        data = self.reader.read(size)
        if len(data) < size:
            raise ConnectionError("the other side is gone")
        return data
