import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { clientDomainOf } from "../src/routing/client-domain.ts";
import { sandboxTargetOf } from "../src/routing/sandbox-target.ts";
import { E2bLab } from "./support/e2b-lab.ts";

const ID = "0123456789abcdefghjkmnpqr";
const DOMAIN = "wrenn.test";

test("hosts name a port of a sandbox, whatever their letter case, port and trailing dot", () => {
  const target = (host: string, headers: Readonly<Record<string, string>> = {}) =>
    sandboxTargetOf({ host, headers }, DOMAIN);
  for (const host of [
    `8000-${ID}.${DOMAIN}`,
    `8000-${ID.toUpperCase()}.Wrenn.Test:8443`,
    `8000-${ID}.${DOMAIN}.`,
  ])
    assert.deepEqual(target(host), { sandboxId: ID, port: 8000 }, host);
  const named = { "e2b-sandbox-id": "x".repeat(25), "e2b-sandbox-port": "1" };
  assert.deepEqual(target(`49983-${ID}.${DOMAIN}`, named), { sandboxId: ID, port: 49_983 });
  for (const port of ["0", "65536", "999999"])
    assert.deepEqual(target(`${port}-${ID}.${DOMAIN}`), { problem: "invalid sandbox port" }, port);
  const others = [
    `8000-cl-${ID}.${DOMAIN}`,
    `8000-${ID}.example.org`,
    `8000-${ID}.x.${DOMAIN}`,
    `8000-${ID}${DOMAIN}`,
    `8000-${ID}x.${DOMAIN}`,
    `-${ID}.${DOMAIN}`,
    `api.${DOMAIN}`,
    DOMAIN,
    "",
  ];
  for (const host of others) assert.equal(target(host, named), undefined, host);
  assert.deepEqual(target("[::1]:8080", named), { sandboxId: "x".repeat(25), port: 1 });
  assert.deepEqual(target("LOCALHOST:1", { "e2b-sandbox-id": ID }), {
    problem: "missing header E2b-Sandbox-Port",
  });
});

test("clients are given a domain only where a certificate for the names below it can be valid", () => {
  const cases: readonly (readonly ["http" | "https", string, number, string | undefined])[] = [
    ["https", DOMAIN, 443, DOMAIN],
    ["https", DOMAIN, 8443, `${DOMAIN}:8443`],
    ["http", DOMAIN, 8080, undefined],
    ["https", "localhost", 8443, undefined],
  ];
  for (const [scheme, domain, port, expected] of cases)
    assert.equal(clientDomainOf({ scheme, domain, port }), expected, `${scheme} ${domain} ${port}`);
});

describe("names below the domain", () => {
  let lab: E2bLab;
  let id = "";
  before(async () => {
    lab = await E2bLab.start();
    lab.origin = { scheme: "https", domain: DOMAIN, port: 8443 };
    const { body } = await lab.call("POST", "/v2/sandboxes", { templateID: "minimal" });
    id = String(body["sandboxID"]);
  });
  after(async () => await lab[Symbol.asyncDispose]());

  const ask = async (host: string, path = "/", headers: Readonly<Record<string, string>> = {}) => {
    const asked = httpRequest(lab.url + path, { headers: { ...headers, host }, agent: false }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return { status: answer.statusCode, body: await text(answer) };
  };

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
    const service = await ask(`8000-${id}.${DOMAIN}:8443`, "/page");
    assert.deepEqual(service, { status: 200, body: "from the service" });
    assert.deepEqual(lab.served.at(-1), { capsuleId: `cl-${id}`, port: 8000, host: undefined });
    assert.equal((await ask(`8000-${id}.${DOMAIN}`, "/v2/sandboxes")).body, "from the service");
    assert.equal((await ask(`49983-${id}.${DOMAIN}`, "/health")).status, 204);
    const list = await ask(`api.${DOMAIN}:8443`, "/v2/sandboxes", { "x-api-key": lab.apiKey });
    assert.equal(list.status, 200, list.body);
    const unknown = await ask(`api.${DOMAIN}`, "/nothing", { "x-api-key": lab.apiKey });
    assert.equal((JSON.parse(unknown.body) as { readonly code: number }).code, 404);
    const own = await ask(`api.${DOMAIN}`, "/v1/nothing");
    assert.ok("error" in (JSON.parse(own.body) as object), "the platform's own API answers under every name");
    const gone = await ask(`8000-${"0".repeat(25)}.${DOMAIN}`);
    assert.equal(gone.status, 502);
    assert.match(gone.body, /The sandbox was not found/);
    assert.equal((await ask(`99999-${id}.${DOMAIN}`)).status, 400);
  });

  test("requests for another protocol reach services; the agent and refusals answer them as ordinary ones", async () => {
    const upgrade = async (host: string, path = "/") => {
      const socket = connect(Number(new URL(lab.url).port), "127.0.0.1");
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n`);
      return await text(socket);
    };
    assert.match(await upgrade(`8000-${id}.${DOMAIN}`), /^HTTP\/1\.1 101 .*from the service$/s);
    assert.match(await upgrade(`49983-${id}.${DOMAIN}`, "/health"), /^HTTP\/1\.1 204 /);
    assert.match(await upgrade(`8000-${"0".repeat(25)}.${DOMAIN}`), /^HTTP\/1\.1 502 .*not found/s);
    const { body } = await lab.call("POST", "/v2/sandboxes", {
      templateID: "minimal",
      network: { allowPublicTraffic: false },
    });
    assert.match(await upgrade(`8000-${String(body["sandboxID"])}.${DOMAIN}`), /^HTTP\/1\.1 403 /);
  });
});
