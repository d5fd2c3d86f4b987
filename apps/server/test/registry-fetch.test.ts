import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { registryFetch } from "../src/images/registry-fetch.ts";
import type { LookUpAll } from "../src/images/registry-fetch.ts";

let asked = 0;
const server = createServer((request, response) => {
  asked += 1;
  if (request.url === "/gone")
    return void response.writeHead(302, { location: "http://elsewhere.example/" }).end();
  if (request.url === "/endless") return void response.writeHead(200).write("a beginning");
  response.writeHead(200, { "content-type": "text/plain", "x-header": request.headers["x-header"] ?? "" });
  let body = "";
  request.on("data", (piece) => (body += String(piece)));
  request.on("end", () => response.end(request.method === "POST" ? `an answer to ${body}` : "an answer"));
}).listen(0, "127.0.0.1");
await once(server, "listening");
after(() => server.close());
const { port } = server.address() as AddressInfo;
const host = `127.0.0.1:${port}`;

const direct = (trusted: readonly string[]) => ({ trusted: new Set(trusted) });

/** Names lead to this machine, or to an address of the internet and to this machine. */
const toThisMachine: LookUpAll = (name, _options, done) =>
  done(null, [
    ...(name.startsWith("both") ? [{ address: "2606:4700:4700::1111", family: 6 }] : []),
    { address: "127.0.0.1", family: 4 },
  ]);

test("hosts that the operator has named are reached wherever they are", async () => {
  for (const trusted of [host, "127.0.0.1"]) {
    const response = await registryFetch(direct([trusted]))(`http://${host}/`, {
      headers: { "x-header": "sent" },
    });
    assert.deepEqual([response.status, await response.text()], [200, "an answer"]);
    assert.equal(response.headers.get("x-header"), "sent");
  }
});

test("a text is posted, and nothing else", async () => {
  const fetch = registryFetch(direct([host]));
  const response = await fetch(`http://${host}/`, { method: "POST", body: "a question" });
  assert.equal(await response.text(), "an answer to a question");
  await assert.rejects(fetch(`http://${host}/`, { method: "POST", body: new Blob(["x"]) }), TypeError);
});

test("this machine and private networks are not reached by address or by name", async () => {
  const before = asked;
  const fetch = registryFetch(direct([]), toThisMachine);
  for (const address of [
    host,
    `localhost:${port}`,
    `name.example:${port}`,
    `[::1]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    "169.254.169.254",
    "10.0.0.1",
    "0x7f.1",
    "2130706433",
  ])
    await assert.rejects(
      fetch(`http://${address}/`),
      { reason: "registry_unreachable", message: /WRENN_REGISTRY_PRIVATE/ },
      address,
    );
  assert.equal(asked, before);
});

test("of the addresses of a name only those on the internet are connected to", async () => {
  const before = asked;
  const signal = AbortSignal.timeout(300);
  await assert.rejects(registryFetch(direct([]), toThisMachine)(`http://both.example:${port}/`, { signal }));
  assert.equal(asked, before);
});

test("redirects are left to the caller, and an abort ends a body", async () => {
  const fetch = registryFetch(direct([host]));
  const redirect = await fetch(`http://${host}/gone`);
  assert.deepEqual([redirect.status, redirect.headers.get("location")], [302, "http://elsewhere.example/"]);
  const aborting = new AbortController();
  const endless = await fetch(`http://${host}/endless`, { signal: aborting.signal });
  const reading = endless.text();
  aborting.abort(new Error("enough"));
  await assert.rejects(reading);
});

test("a proxy of the operator's takes requests, wherever it is, but none for addresses of private networks", async (t) => {
  const through: string[] = [];
  const proxy = createServer((request, response) => {
    through.push(`${request.method} ${request.url}`);
    response.end("by the proxy");
  });
  proxy.on("connect", (request, socket) => {
    through.push(`CONNECT ${request.url}`);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  t.after(() => proxy.close());
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const proxies = { HTTP_PROXY: address, https_proxy: address, NO_PROXY: "near.example" };
  const fetch = registryFetch({ trusted: new Set(), proxies }, toThisMachine);
  assert.equal(await (await fetch("http://registry.example/v2/")).text(), "by the proxy");
  await assert.rejects(fetch("https://registry.example/v2/"));
  assert.deepEqual(through.splice(0), ["GET http://registry.example/v2/", "CONNECT registry.example:443"]);
  for (const refused of ["http://10.0.0.1/", "http://near.example/"])
    await assert.rejects(fetch(refused), { reason: "registry_unreachable" }, refused);
  assert.deepEqual(through, []);
});
