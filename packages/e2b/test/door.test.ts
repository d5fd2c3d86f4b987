import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { E2bLab } from "./support/e2b-lab.ts";

const MISSING = "0".repeat(25);
const DOMAIN = "wrenn.test";
const STALL_MS = 1500;

describe("requests for ports of sandboxes", () => {
  let lab: E2bLab;
  let id = "";
  let token = "";
  before(async () => {
    lab = await E2bLab.start({ bodyStallMs: STALL_MS, anonymousAnswerStallMs: STALL_MS });
    lab.origin = { scheme: "https", domain: DOMAIN, port: 8443 };
    const { body } = await lab.call("POST", "/v2/sandboxes", { templateID: "minimal" });
    id = String(body["sandboxID"]);
    token = String(body["envdAccessToken"]);
  });
  after(async () => await lab[Symbol.asyncDispose]());

  /** The two ways to name a port: by the host, and by fields. */
  const ways = (sandbox: string, port: number) =>
    [
      { host: `${port}-${sandbox}.${DOMAIN}` },
      { host: "localhost", "e2b-sandbox-id": sandbox, "e2b-sandbox-port": String(port) },
    ] as const;

  /** A request as it is written; `fetch` sets fields of its own. */
  const ask = async (
    headers: Readonly<Record<string, string>>,
    { method = "GET", path = "/" }: { readonly method?: string; readonly path?: string } = {},
  ) => {
    const socket = open();
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${path} HTTP/1.1\r\n${fields.join("")}Connection: close\r\n\r\n`);
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    const [head = "", ...rest] = answer.split("\r\n\r\n");
    const [, status = "0"] = /^HTTP\/1\.1 (\d+)/.exec(head) ?? [];
    return { status: Number(status), head, body: rest.join("\r\n\r\n") };
  };
  const open = (): Socket => connect(Number(new URL(lab.url).port), "127.0.0.1");
  const freePort = async (): Promise<number> => {
    const server = createServer();
    const port = await lab.listen(server);
    server.close();
    return port;
  };

  test("programs get JSON, and navigations of browsers a page", async () => {
    const closed = await freePort();
    const { body: made } = await lab.call("POST", "/v2/sandboxes", {
      templateID: "minimal",
      network: { allowPublicTraffic: false },
    });
    const hidden = String(made["sandboxID"]);
    const cases = [
      [MISSING, 8000, { sandboxId: MISSING, message: "The sandbox was not found", code: 502 }],
      [MISSING, 49_983, { sandboxId: MISSING, message: "The sandbox was not found", code: 502 }],
      [
        id,
        closed,
        {
          sandboxId: id,
          message: `nothing listens on port ${closed} of the capsule`,
          port: closed,
          code: 502,
        },
      ],
      [hidden, 8000, { sandboxId: hidden, message: `port 8000 of sandbox ${hidden} is private`, code: 403 }],
    ] as const;
    const programs = [
      {},
      { accept: "*/*", "user-agent": "Mozilla/5.0" },
      { accept: "text/html", "sec-fetch-mode": "cors", "user-agent": "Mozilla/5.0" },
    ];
    const browsers = [
      { accept: "text/html,application/xhtml+xml" },
      { accept: "text/html", "sec-fetch-mode": "navigate" },
      { "user-agent": "Mozilla/5.0" },
    ];
    for (const [sandbox, port, expected] of cases)
      for (const way of ways(sandbox, port)) {
        const answers = async (all: readonly Readonly<Record<string, string>>[]) =>
          await Promise.all(all.map(async (fields) => await ask({ ...way, ...fields })));
        for (const { status, head, body } of await answers(programs)) {
          assert.equal(status, expected.code, head);
          assert.match(head, /content-type: application\/json/i);
          assert.deepEqual(JSON.parse(body), expected);
        }
        for (const { status, head, body } of await answers(browsers)) {
          assert.equal(status, expected.code, head);
          assert.match(head, /content-type: text\/html/i);
          assert.ok(body.includes(expected.message), body);
        }
      }
  });

  test("a target that cannot be read is answered as text", async () => {
    for (const headers of [
      { host: `99999-${id}.${DOMAIN}` },
      { host: "localhost", "e2b-sandbox-id": id },
      { host: "localhost", "e2b-sandbox-port": "80" },
      { host: "127.0.0.1", "e2b-sandbox-id": id, "e2b-sandbox-port": "x" },
    ]) {
      const { status, head, body } = await ask(headers);
      assert.equal(status, 400, head);
      assert.match(head, /content-type: text\/plain/i);
      assert.match(body, /^(invalid sandbox port|missing header E2b-Sandbox-(Id|Port))$/);
    }
  });

  test("a service that begins to listen a moment later is waited for", async () => {
    const port = await freePort();
    const [way] = ways(id, port);
    const answer = ask(way);
    await delay(50);
    const service = createServer((_request, response) => response.end("late"));
    service.listen(port, "127.0.0.1");
    await once(service, "listening");
    assert.deepEqual([(await answer).status, (await answer).body], [200, "late"]);
    service.close();
    service.closeAllConnections();
  });

  test("while a sandbox is being paused, requests for its ports conflict", async () => {
    lab.edge.connections.acquire(`cl-${id}`).release();
    await lab.edge.connections.drain(`cl-${id}`, 0);
    const [way] = ways(id, lab.servicePort);
    const { status, body } = await ask(way);
    lab.edge.connections.reset(`cl-${id}`);
    assert.equal(status, 409, body);
    assert.equal((JSON.parse(body) as { readonly code: number }).code, 409);
    assert.equal((await ask(way)).status, 200);
  });

  test("pages of every origin may use the agent, by either way, and read its refusals", async () => {
    const origin = { origin: "https://any.example", "access-control-request-method": "POST" };
    const wanted = "e2b-sandbox-id,e2b-sandbox-port,x-access-token,x-own";
    // The question does not have the fields that it is about.
    const preflights = [
      { host: `49983-${id}.${DOMAIN}`, path: "/files" },
      { host: `49983-${MISSING}.${DOMAIN}`, path: "/files" },
      { host: "localhost", path: "/process.Process/Start" },
    ];
    for (const { host, path } of preflights) {
      const headers = { host, ...origin, "access-control-request-headers": wanted };
      const { status, head } = await ask(headers, { method: "OPTIONS", path });
      assert.equal(status, 204, head);
      assert.match(head, /access-control-allow-origin: \*/i);
      assert.ok(head.toLowerCase().includes(`access-control-allow-headers: ${wanted}`), head);
      assert.match(head, /access-control-allow-methods: [^\r]*POST[^\r]*DELETE/i);
    }
    const signed = { method: "OPTIONS", path: "/files?path=x&signature=v1_x" };
    assert.equal((await ask({ host: "localhost", ...origin }, signed)).status, 204);
    const refusals = [
      [401, id, "/metrics"],
      [401, id, "/process.Process/List"],
      [404, id, "/init"],
      [502, MISSING, "/health"],
    ] as const;
    for (const [expected, sandbox, path] of refusals)
      for (const way of ways(sandbox, 49_983)) {
        const method = path.startsWith("/process") ? "POST" : "GET";
        const { status, head } = await ask({ ...way, ...origin }, { path, method });
        assert.equal(status, expected, head);
        assert.match(head, /access-control-allow-origin: \*/i);
      }
    const anonymous = await ask({ host: "localhost", ...origin }, { path: "/files?path=x&signature=v1_x" });
    assert.match(anonymous.head, /^HTTP\/1\.1 401 [^]*access-control-allow-origin: \*/i);
  });

  test("control routes of the agent are not found, by any method and however their path is written", async () => {
    for (const path of ["/init", "/%69nit", "/files/../init", "/freeze"])
      for (const method of ["GET", "POST", "PUT", "OPTIONS"]) {
        const [way] = ways(id, 49_983);
        const { status } = await ask({ ...way, "x-access-token": token }, { path, method });
        assert.equal(status, 404, `${method} ${path}`);
      }
  });

  test("a body for a service or the agent may pause, and one for the API may not", async (t) => {
    let received = 0;
    const port = await lab.listen(
      createServer((request, response) => {
        request.on("data", (chunk: Buffer) => (received += chunk.length));
        request.on("end", () => response.end(`got ${received}`));
      }),
    );
    const begin = (t: TestContext, headers: Readonly<Record<string, string>>, path = "/") => {
      const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const client = { socket: open(), received: "" };
      t.after(() => client.socket.destroy());
      client.socket.on("data", (chunk) => (client.received += String(chunk)));
      client.socket.write(`POST ${path} HTTP/1.1\r\n${fields.join("")}Content-Length: 10\r\n\r\n12345`);
      return client;
    };
    const octets = { "content-type": "application/octet-stream" };
    const file = "/files?path=/tmp/slow&username=root";
    const [agent] = ways(id, 49_983);
    const services = ways(id, port).map((way) => begin(t, way));
    const upload = begin(t, { ...agent, ...octets, "x-access-token": token }, file);
    const json = { "x-api-key": lab.apiKey, "content-type": "application/json" };
    const api = begin(t, { host: "localhost", ...json }, "/v2/sandboxes");
    await eventually("the body for the API is given up", () => api.received.startsWith("HTTP/1.1 408 "));
    for (const { socket } of [...services, upload]) socket.write("67890");
    for (const client of services)
      await eventually("the service has it all", () => /got \d+$/.test(client.received));
    await eventually("the file is written", () => upload.received.startsWith("HTTP/1.1 200 "));
  });

  test("create, connect, detail and fork answer with the domain", async () => {
    const body = { timeout: 60 };
    const detail = await lab.call("GET", `/sandboxes/${id}`);
    const connected = await lab.call("POST", `/v2/sandboxes/${id}/connect`, body);
    const created = await lab.call("POST", "/sandboxes", { templateID: "minimal" });
    const forked = await lab.call("POST", `/sandboxes/${id}/fork`, body);
    const [fork] = forked.body as unknown as { readonly sandbox: Record<string, unknown> }[];
    for (const { domain } of [detail.body, connected.body, created.body, fork?.sandbox ?? {}])
      assert.equal(domain, `${DOMAIN}:8443`);
  });

  test("services, the agent and the API are found by their names", async () => {
    const host = `${lab.servicePort}-${id}.${DOMAIN}`;
    const key = { "x-api-key": lab.apiKey };
    const service = await ask({ host: `${host}:8443` }, { path: "/page" });
    assert.deepEqual([service.status, service.body], [200, "from the service"]);
    assert.deepEqual(lab.served.at(-1), { host: `${host}:8443`, url: "/page" });
    assert.equal((await ask({ host }, { path: "/v2/sandboxes" })).body, "from the service");
    assert.equal((await ask({ host: `49983-${id}.${DOMAIN}` }, { path: "/health" })).status, 204);
    const list = await ask({ host: `api.${DOMAIN}:8443`, ...key }, { path: "/v2/sandboxes" });
    assert.equal(list.status, 200, list.body);
    const unknown = await ask({ host: `api.${DOMAIN}`, ...key }, { path: "/nothing" });
    assert.equal((JSON.parse(unknown.body) as { readonly code: number }).code, 404);
    const own = await ask({ host: `api.${DOMAIN}` }, { path: "/v1/nothing" });
    assert.ok("error" in (JSON.parse(own.body) as object), "the platform's own API answers under every name");
  });

  test("requests for another protocol reach services; the agent and refusals answer them as ordinary ones", async () => {
    const upgrade = async (host: string, path = "/") => {
      const socket = open();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`);
      return await text(socket);
    };
    assert.match(await upgrade(`${lab.servicePort}-${id}.${DOMAIN}`), /^HTTP\/1\.1 101 .*from the service$/s);
    assert.match(await upgrade(`49983-${id}.${DOMAIN}`, "/health"), /^HTTP\/1\.1 204 /);
    assert.match(await upgrade(`8000-${"0".repeat(25)}.${DOMAIN}`), /^HTTP\/1\.1 502 .*not found/s);
    const { body } = await lab.call("POST", "/v2/sandboxes", {
      templateID: "minimal",
      network: { allowPublicTraffic: false },
    });
    assert.match(await upgrade(`8000-${String(body["sandboxID"])}.${DOMAIN}`), /^HTTP\/1\.1 403 /);
  });
});
