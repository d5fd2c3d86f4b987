"""A page that shows the text of a module, and shows it anew when the file changes: what dev servers do, at its smallest.

Usage: hot_reload.py PORT DIRECTORY, with the module in DIRECTORY/text.js
"""

import http.server
import os
import sys
import time

import websocket

PAGE = b"""<!doctype html><title>hot</title><p id="text"></p><script type="module">
const show = async (version) => {
  const { text } = await import(`/text.js?${version}`);
  document.querySelector("#text").textContent = text;
};
const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/hot`, "hot-reload");
socket.onopen = () => { document.title = "connected"; };
socket.onmessage = ({ data }) => show(data);
await show(0);
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/hot":
            # What changes once the client is connected is told.
            seen = version()
            self.tell_of_changes(websocket.accept(self, ["hot-reload"]), seen)
        elif self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            super().do_GET()

    def tell_of_changes(self, socket, seen):
        while True:
            time.sleep(0.1)
            if version() != seen:
                seen = version()
                socket.send(websocket.TEXT, str(seen).encode())


def version():
    return os.stat("text.js").st_mtime_ns


os.chdir(sys.argv[2])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
