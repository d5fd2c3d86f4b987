import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { ApiCaller } from "../support/api-caller.ts";
import { signUp } from "../support/sign-up.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Access that ends takes terminals and connections to ports of a real capsule along. */

const PROMISED_MS = 10_000;
const PORT = 9000;
let server: TestServer;
let token = "";
let keeper: ApiCaller;
let id: string;

before(async () => {
  server = await startTestServer();
  ({ token } = await signUp(server, { email: "ada@example.org", password: "correct horse", name: "Ada" }));
  keeper = new ApiCaller(server.url, (await newKey()).key);
  id = await keeper.capsule(undefined);
  const service = `
import socket
listener = socket.create_server(('0.0.0.0', ${PORT}))
while True:
    connection, _ = listener.accept()
    head = b''
    while b'\\r\\n\\r\\n' not in head:
        head += connection.recv(65536)
    connection.sendall(b'HTTP/1.1 101 Go\\r\\nConnection: Upgrade\\r\\nUpgrade: bytes\\r\\n\\r\\nready')
    while True:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b''
        if not data:
            break
        open('/root/received', 'ab').write(data)
    open('/root/received', 'ab').write(b'|end|')
`;
  await keeper.exec(id, "python3", ["-c", service], { background: true });
  const listens = `for i in $(seq 600); do grep -qi ':${PORT.toString(16)} ' /proc/net/tcp && exit 0; sleep 0.1; done; exit 1`;
  assert.equal((await keeper.shell(id, listens, { timeout_sec: 90 })).exit_code, 0);
});
after(() => server.close());

async function byPerson(method: string, path: string, body?: object): Promise<Response> {
  return await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

async function newKey(): Promise<{ readonly id: string; readonly key: string }> {
  const made = await byPerson("POST", "/v1/api-keys", {});
  assert.equal(made.status, 201);
  return (await made.json()) as { id: string; key: string };
}

async function expectDone(answer: Promise<Response>): Promise<void> {
  assert.ok([200, 204].includes((await answer).status));
}

async function textOf(path: string): Promise<string> {
  return (await keeper.shell(id, `cat ${path} 2>/dev/null; true`)).stdout;
}

test("a terminal whose key is deleted closes with 1008 and runs nothing that is typed afterwards", async () => {
  const { id: keyId, key } = await newKey();
  const terminal = await StreamClient.open(
    new ApiCaller(server.url, key),
    `/v1/capsules/${id}/pty`,
    { type: "start", cmd: "bash", args: ["--norc", "--noprofile"], envs: { PS1: "$ " } },
    {},
  );
  terminal.type("echo typed >> /root/typed; echo is-$((40+2))\r");
  await terminal.shows("is-42");
  await expectDone(byPerson("DELETE", `/v1/api-keys/${keyId}`));
  const revoked = performance.now();
  const typing = setInterval(() => terminal.type("echo late >> /root/late\r"), 50);
  try {
    assert.equal(await terminal.ended(PROMISED_MS / 1000), 1008);
  } finally {
    clearInterval(typing);
  }
  assert.ok(performance.now() - revoked < PROMISED_MS);
  assert.equal(terminal.messages.at(-1)?.["reason"], "access_ended");
  const atClose = (await textOf("/root/late")).length;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal((await textOf("/root/late")).length, atClose);
  assert.equal(await textOf("/root/typed"), "typed\n");
});

/** An upgraded connection to the service. */
async function openPort(
  search: string,
  fields: string,
): Promise<{ readonly write: (text: string) => void; readonly closed: () => boolean }> {
  const url = new URL(server.url);
  let received = "";
  let closed = false;
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  socket.on("close", () => (closed = true));
  socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
  const open = async (): Promise<boolean> => {
    socket.write(
      `GET /${search} HTTP/1.1\r\nHost: ${PORT}-${id}.localhost\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n${fields}\r\n`,
    );
    const isReady = (): boolean => received.includes("ready");
    // The service's first bytes may come after the answer, which no refusal has as its status.
    const isOver = (): boolean => closed || (received !== "" && !received.startsWith("HTTP/1.1 101 "));
    await eventually("an answer", () => isReady() || isOver(), { timeoutMs: 20_000 });
    return isReady();
  };
  assert.ok(await open(), received);
  return { write: (text) => void socket.write(text), closed: () => closed };
}

const linkPath = (): string => `/v1/capsules/${id}/ports/${PORT}/link`;

async function newLink(): Promise<{ readonly id: string; readonly search: string }> {
  const made = await keeper.call<{ id: string; url: string }>("POST", linkPath(), {});
  assert.equal(made.status, 201);
  return { id: made.body.id, search: new URL(made.body.url).search };
}

const setAccess = async (access: string): Promise<void> => {
  const { status } = await keeper.call("PUT", `/v1/capsules/${id}/ports/${PORT}`, { access });
  assert.equal(status, 200);
};

const ways: Readonly<
  Record<string, () => Promise<{ search?: string; fields?: string; revoke: () => Promise<void> }>>
> = {
  "a revoked link": async () => {
    const link = await newLink();
    const path = `/v1/capsules/${id}/ports/${PORT}/links/${link.id}`;
    return { search: link.search, revoke: async () => await expectDone(byPerson("DELETE", path)) };
  },
  "a deleted key": async () => {
    const { id: keyId, key } = await newKey();
    const path = `/v1/api-keys/${keyId}`;
    return {
      fields: `X-API-Key: ${key}\r\n`,
      revoke: async () => await expectDone(byPerson("DELETE", path)),
    };
  },
  "public access that is taken back": async () => {
    await setAccess("public");
    return { revoke: async () => await setAccess("private") };
  },
};

for (const [what, prepare] of Object.entries(ways))
  test(`an upgraded connection to a port is cut by ${what}, and the service gets nothing more`, async () => {
    await keeper.shell(id, "rm -f /root/received");
    const { search = "", fields = "", revoke } = await prepare();
    const connection = await openPort(search, fields);
    connection.write("before");
    await eventually("it arrives", async () => (await textOf("/root/received")) === "before");
    await revoke();
    await eventually("it is cut", () => connection.closed(), { timeoutMs: PROMISED_MS });
    connection.write("after");
    await eventually("the service sees the end", async () =>
      (await textOf("/root/received")).endsWith("|end|"),
    );
    assert.equal(await textOf("/root/received"), "before|end|");
  });
