"""A kernel's WebSocket as Jupyter serves it: the sub-protocol v1.kernel.websocket.jupyter.org, binary frames with offsets.

Usage: kernel.py PORT

Each message is a count of offsets, the offsets (little-endian, eight bytes each), then the channel, header, parent header,
metadata, content and buffers that they delimit. On `shell` a request's content says what to do: {"do": "echo"} sends
content and buffers back, {"do": "ping"} sends a ping, {"do": "close", "code": …, "reason": …} closes. On `iopub` follows
the state of the kernel.
"""

import http.server
import json
import struct
import sys

import websocket

PROTOCOL = "v1.kernel.websocket.jupyter.org"


def pack(channel, parts):
    parts = [channel.encode(), *parts]
    at = 8 * (len(parts) + 2)
    offsets = [at]
    for part in parts:
        at += len(part)
        offsets.append(at)
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def unpack(data):
    (count,) = struct.unpack_from("<Q", data)
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    parts = [data[start:end] for start, end in zip(offsets, offsets[1:])]
    return parts[0].decode(), parts[1:]


def message(channel, kind, parent, content, buffers=()):
    header = json.dumps({"msg_type": kind}).encode()
    return pack(channel, [header, parent, b"{}", json.dumps(content).encode(), *buffers])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        socket = websocket.accept(self, [PROTOCOL])
        pongs = 0
        while True:
            opcode, data = socket.receive()
            if opcode == websocket.PING:
                socket.send(websocket.PONG, data)
            elif opcode == websocket.PONG:
                pongs += 1
                socket.send(websocket.TEXT, json.dumps({"pong": data.decode(), "pongs": pongs}).encode())
            elif opcode == websocket.CLOSE:
                # RFC 6455 §5.5.1: the close is answered with what came.
                socket.send(websocket.CLOSE, data)
                return
            elif opcode == websocket.TEXT:
                socket.close(1003, "binary only")
                return
            else:
                self.answer(socket, *unpack(data))

    def answer(self, socket, channel, parts):
        header, _parent, _metadata, content, *buffers = parts
        wish = json.loads(content)
        if wish["do"] == "ping":
            socket.send(websocket.PING, wish["with"].encode())
        elif wish["do"] == "close":
            socket.close(wish["code"], wish["reason"])
        else:
            socket.send(websocket.BINARY, message("iopub", "status", header, {"execution_state": "busy"}))
            socket.send(websocket.BINARY, message(channel, "reply", header, wish, buffers))
            socket.send(websocket.BINARY, message("iopub", "status", header, {"execution_state": "idle"}))


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
