"""A web server that uses the less usual parts of HTTP/1.1, and tells what it saw of them.

Usage: http_manners.py PORT

GET /n/… answers with its path. GET /events is a stream of two events; the second comes after a GET of /release.
POST /chunked reads a chunked body and answers in chunks, with the trailer of the request in one of its own. POST /refuse
answers 417 instead of asking for a body that is announced by Expect: 100-continue; POST /accept asks for it.
"""

import http.server
import sys
import threading

released = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"id: 1\ndata: first\n\n")
            released.wait(60)
            self.wfile.write(b"id: 2\ndata: second\n\n")
            self.close_connection = True
            return
        if self.path == "/release":
            released.set()
        self.answer(200, self.path.encode())

    def do_POST(self):
        if self.path == "/chunked":
            body, trailers = self.read_chunks()
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Trailer", "X-Seen")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\nX-Seen: %s\r\n\r\n" % (len(body), body, trailers["x-sum"]))
        else:
            self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def handle_expect_100(self):
        if self.path != "/refuse":
            return super().handle_expect_100()
        self.close_connection = True
        self.answer(417, b"not that")
        return False

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read_chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        trailers = {}
        while line := self.rfile.readline().strip():
            name, value = line.split(b":", 1)
            trailers[name.decode().lower()] = value.strip()
        return body, trailers


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
