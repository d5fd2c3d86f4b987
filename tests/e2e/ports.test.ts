import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer({ config: { pathPorts: {} } });
  id = await server.capsule(undefined);
  await serve(id);
});
after(() => server.close());

/** Starts web servers in a capsule: one for files, one that answers what it was asked. */
async function serve(capsule: string): Promise<void> {
  await server.shell(
    capsule,
    "mkdir -p /srv/www/sub; echo hello > /srv/www/file; echo index > /srv/www/sub/index.html",
  );
  await server.exec(capsule, "python3", ["-m", "http.server", "8000", "--directory", "/srv/www"], {
    background: true,
  });
  const echo = `
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        size = int(self.headers.get('content-length') or 0)
        body = json.dumps({'path': self.path, 'headers': dict(self.headers.items()), 'size': len(self.rfile.read(size))}).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
http.server.ThreadingHTTPServer(('0.0.0.0', 9000), Handler).serve_forever()
`;
  await server.exec(capsule, "python3", ["-c", echo], { background: true });
  const up =
    "for i in $(seq 600); do curl -s -o /dev/null localhost:8000 && curl -s -o /dev/null localhost:9000 && exit 0; sleep 0.1; done; exit 1";
  assert.equal((await server.shell(capsule, up, { timeout_sec: 120 })).exit_code, 0);
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Asks as a client would that knows the capsule's name by DNS. */
async function ask(
  host: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Reply> {
  const url = new URL(server.url);
  const request = httpRequest({
    host: url.hostname,
    port: url.port,
    path,
    method: body === undefined ? "GET" : "POST",
    headers: { host, ...headers },
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

const hostOf = (port: number, capsule = id): string => `${port}-${capsule}.localhost`;
const key = (): Record<string, string> => ({ "x-api-key": server.apiKey });

test("a port is private: without a credential it is refused, with the team's key it answers", async () => {
  const refused = await ask(hostOf(8000), "/file");
  assert.equal(refused.status, 401, refused.text);
  assert.match(refused.text, /port_private|private/);
  const page = await ask(hostOf(8000), "/file", { accept: "text/html" });
  assert.equal(page.status, 303, "a browser is sent to sign in");
  const answer = await ask(hostOf(8000), "/file", key());
  assert.deepEqual([answer.status, answer.text], [200, "hello\n"]);
  assert.equal((await ask(hostOf(8000), "/file", { "x-api-key": `wrn_${"0".repeat(32)}` })).status, 401);
});

test("a guest never sees the platform's credentials, and sees who asked", async () => {
  const { text } = await ask(hostOf(9000), "/x//y?z=%20", {
    ...key(),
    cookie: "wrenn_refresh=secret; wrenn_session=secret; own=1",
  });
  const seen = JSON.parse(text) as { path: string; headers: Record<string, string> };
  assert.equal(seen.path, "/x//y?z=%20");
  assert.ok(!text.includes(server.apiKey) && !text.includes("secret"), text);
  const headers = Object.fromEntries(
    Object.entries(seen.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  assert.equal(headers["host"], hostOf(9000));
  assert.equal(headers["cookie"], "own=1");
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
});

test("a port can be made public, and private again, at once", async () => {
  const set = (access: string) =>
    server.call<{ url: string }>("PUT", `/v1/capsules/${id}/ports/8000`, { access });
  const { status, body } = await set("public");
  assert.equal(status, 200);
  assert.match(body.url, new RegExp(`^http://${hostOf(8000)}:\\d+/$`));
  assert.equal((await ask(hostOf(8000), "/file")).text, "hello\n");
  assert.equal((await ask(hostOf(9000), "/")).status, 401);
  await set("private");
  assert.equal((await ask(hostOf(8000), "/file")).status, 401);
  const listed = await server.call<{ port: number; access: string }[]>("GET", `/v1/capsules/${id}/ports`);
  assert.deepEqual(
    listed.body.map(({ port, access }) => [port, access]),
    [[8000, "private"]],
  );
});

test("a signed link opens one port until it expires", async () => {
  const make = (seconds: number) =>
    server.call<{ url: string }>("POST", `/v1/capsules/${id}/ports/8000/link`, { expires_in_sec: seconds });
  const { body } = await make(60);
  const link = new URL(body.url);
  assert.equal((await ask(hostOf(8000), `/file${link.search}`)).text, "hello\n");
  assert.equal((await ask(hostOf(9000), `/${link.search}`)).status, 401, "of another port it opens nothing");
  const short = new URL((await make(1)).body.url);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal((await ask(hostOf(8000), `/file${short.search}`)).status, 401);
});

test("redirects of a directory work by name and in the path form", async () => {
  const byName = await ask(hostOf(8000), "/sub", key());
  assert.deepEqual([byName.status, byName.headers.location], [301, "/sub/"]);
  const form = `/proxy/${id}/8000`;
  const byPath = await ask("ports.localhost", `${form}/sub`, key());
  assert.deepEqual([byPath.status, byPath.headers.location], [301, `${form}/sub/`]);
  assert.equal((await ask("ports.localhost", `${form}/sub/`, key())).text, "index\n");
  for (const platform of ["127.0.0.1", "localhost"]) {
    const { status, text } = await ask(platform, `${form}/sub/`, key());
    assert.equal(status, 404);
    assert.match(text, /route_not_found.*WRENN_PATH_PORTS=on/);
  }
  assert.equal((await ask("ports.localhost", "/v1/capsules", key())).status, 404);
});

test("bodies of some size go both ways", async () => {
  const { text } = await ask(
    hostOf(9000),
    "/",
    { ...key(), "content-length": "3000000" },
    "x".repeat(3_000_000),
  );
  assert.equal((JSON.parse(text) as { size: number }).size, 3_000_000);
  await server.shell(id, "head -c 20000000 /dev/zero | tr '\\0' y > /srv/www/big");
  const big = await ask(hostOf(8000), "/big", key());
  assert.equal(big.text.length, 20_000_000);
});

test("WebSockets pass through", async () => {
  const program = `
import socket, hashlib, base64, threading
def serve(c):
    data = b''
    while b'\\r\\n\\r\\n' not in data: data += c.recv(4096)
    key = [l.split(b':')[1].strip() for l in data.split(b'\\r\\n') if l.lower().startswith(b'sec-websocket-key')][0]
    accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
    c.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + b'\\r\\n\\r\\n')
    while True:
        head = c.recv(2)
        if len(head) < 2: return
        n = head[1] & 127; mask = c.recv(4); body = bytes(b ^ mask[i % 4] for i, b in enumerate(c.recv(n)))
        if head[0] & 15 == 8: return c.close()
        c.sendall(bytes([0x81, len(body)]) + body[::-1])
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('0.0.0.0', 7000)); s.listen()
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;
  await server.exec(id, "python3", ["-c", program], { background: true });
  const listens =
    "for i in $(seq 600); do grep -q ':1B58 .* 0A ' /proc/net/tcp && exit 0; sleep 0.1; done; exit 1";
  assert.equal((await server.shell(id, listens, { timeout_sec: 120 })).exit_code, 0);
  const url = new URL(server.url);
  const socket = new WebSocket(`ws://${url.host}/`, { headers: { host: hostOf(7000), ...key() } });
  await once(socket, "open");
  socket.send("abc");
  const [message] = (await once(socket, "message")) as [Buffer];
  assert.equal(message.toString(), "cba");
  socket.close();
});

test("what cannot be reached is explained, in JSON or as a page", async () => {
  const nobody = await ask(hostOf(1234), "/", key());
  assert.equal(nobody.status, 502, nobody.text);
  assert.equal((JSON.parse(nobody.text) as { error: { reason: string } }).error.reason, "port_not_listening");
  assert.equal((await ask(hostOf(49_983), "/", key())).status, 403);
  const missing = await ask(hostOf(80, `cl-${"0".repeat(25)}`), "/", key());
  assert.equal(missing.status, 404);
  assert.equal((await ask(hostOf(99_999), "/", key())).status, 400);
});

test("a pause ends connections, refuses new ones, and a sleeping capsule is woken when it wants it", async (t) => {
  const sleeper = await server.capsule(t, { auto_resume: true });
  await serve(sleeper);
  assert.equal((await ask(hostOf(8000, sleeper), "/file", key())).text, "hello\n");
  assert.equal((await server.call("POST", `/v1/capsules/${sleeper}/pause`)).status, 200);
  assert.equal((await ask(hostOf(8000, sleeper), "/file", key())).text, "hello\n");
  const strict = await server.capsule(t);
  assert.equal((await server.call("POST", `/v1/capsules/${strict}/pause`)).status, 200);
  const refused = await ask(hostOf(8000, strict), "/", key());
  assert.equal(refused.status, 409, refused.text);
});
