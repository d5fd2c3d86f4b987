"""Sends and takes bodies of any size, with their SHA-256.

Usage: transfer.py PORT

GET /<bytes> sends so many bytes that are nowhere alike; GET /digest then says what they were. PUT answers with the digest
of what it was sent.
"""

import hashlib
import http.server
import os
import sys

PIECE = 1 << 20
sent = hashlib.sha256()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global sent
        if self.path == "/digest":
            return self.answer(sent.hexdigest())
        left = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        sent = hashlib.sha256()
        block = os.urandom(PIECE)
        while left > 0:
            # The count makes each piece another one; drawing all of it would take longer than sending it.
            piece = (left.to_bytes(8, "big") + block[8:])[:left]
            sent.update(piece)
            self.wfile.write(piece)
            left -= len(piece)

    def do_PUT(self):
        received, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left > 0:
            piece = self.rfile.read1(min(left, PIECE))
            if not piece:
                raise ConnectionError(f"{left} bytes are missing")
            received.update(piece)
            left -= len(piece)
        self.answer(received.hexdigest())

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
