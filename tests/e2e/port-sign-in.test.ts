import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { signUp } from "../support/sign-up.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
before(async () => {
  server = await startTestServer({ servesDashboard: false });
});
after(() => server.close());

/** As much of a browser as matters here: cookies by host name, and pages asked for one at a time. */
class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  keep(host: string, pair: string): void {
    const [name = "", value = ""] = (pair.split(";")[0] ?? "").split("=");
    const jar = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, jar.set(name, value));
  }

  async open(url: URL): Promise<{ answer: IncomingMessage; body: string; next: URL | undefined }> {
    const jar = [...(this.#cookies.get(url.hostname) ?? [])].map((pair) => pair.join("="));
    const asked = get({
      host: "127.0.0.1",
      port: url.port,
      path: url.pathname + url.search,
      headers: {
        host: url.host,
        accept: "text/html,*/*",
        ...(jar.length > 0 ? { cookie: jar.join("; ") } : {}),
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        "sec-fetch-site": "none",
      },
    });
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    for (const pair of answer.headers["set-cookie"] ?? []) this.keep(url.hostname, pair);
    const { location } = answer.headers;
    const next = location === undefined ? undefined : new URL(location, url);
    return { answer, body: await text(answer), next };
  }
}

async function bearer(token: string, method: string, path: string, body?: unknown) {
  const answer = await fetch(new URL(path, server.url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.text()) || "{}" };
}

test("a person opens a private port in a browser by the login of the platform, of which the guest sees nothing", async () => {
  const who = { email: "ada@example.org", password: "correct horse", name: "Ada" };
  const { token, cookie } = await signUp(server, who);
  const made = await bearer(token, "POST", "/v1/capsules", {});
  assert.equal(made.status, 201, made.body);
  const { id } = JSON.parse(made.body) as { id: string };
  const echo = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path}\\n{self.headers}".encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Handler).serve_forever()`;
  const started = await bearer(token, "POST", `/v1/capsules/${id}/exec`, {
    cmd: "python3",
    args: ["-c", echo],
    background: true,
  });
  assert.equal(started.status, 202, started.body);

  const browser = new Browser();
  const page = new URL(`http://9000-${id}.localhost:${new URL(server.url).port}/a?b=%20`);
  const first = await browser.open(page);
  assert.equal(first.answer.statusCode, 303, first.body);
  assert.equal(first.next?.hostname, "localhost");
  const stranger = await browser.open(first.next);
  assert.match(stranger.body, /Sign in to open this port/);

  browser.keep("localhost", cookie);
  const admitted = await browser.open(first.next);
  assert.equal(admitted.next?.hostname, page.hostname, admitted.body);
  const arrived = await browser.open(admitted.next);
  assert.equal(arrived.next?.href, page.href);
  let inside = await browser.open(page);
  for (let tries = 0; inside.answer.statusCode === 502 && tries < 20; tries++)
    inside = await browser.open(page);
  assert.equal(inside.answer.statusCode, 200, inside.body);
  assert.match(inside.body, /^\/a\?b=%20\n/);
  assert.doesNotMatch(inside.body, /cookie|wrenn_/i);

  assert.equal((await bearer(token, "POST", "/v1/auth/logout")).status, 204);
  await eventually(
    "a login that was ended opens no port",
    async () => (await browser.open(page)).answer.statusCode !== 200,
    { timeoutMs: 10_000, intervalMs: 200 },
  );
});
