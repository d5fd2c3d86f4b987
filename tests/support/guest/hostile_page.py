"""Serves a page that tells the browser to do what harms its neighbours; /seen lists the requests that it got."""

import http.server
import json
import sys

SEEN = []
HARMFUL = {
    "Clear-Site-Data": '"cookies", "storage"',
    "Strict-Transport-Security": "max-age=0; includeSubDomains",
    "Service-Worker-Allowed": "/",
    "Access-Control-Allow-Origin": "*",
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        script = self.path.startswith("/worker.js")
        body = b"self.onfetch = () => {}" if script else b"<!doctype html><title>hostile</title>"
        if self.path == "/seen":
            body = json.dumps(SEEN).encode()
        else:
            SEEN.append({"path": self.path, "headers": [[n.lower(), v] for n, v in self.headers.items()]})
        self.send_response(200)
        for name, value in HARMFUL.items():
            self.send_header(name, value)
        self.send_header("Set-Cookie", "planted=1; Domain=wrenn.test; Path=/")
        self.send_header("Set-Cookie", "__Host-wrenn_refresh=planted; Path=/; Secure")
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
