import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, test } from "node:test";
import { problemOf, systemClock, WrennError } from "@wrenn/core";
import type { LinkCredentials } from "@wrenn/host-link";
import { hostCredentials } from "./support/test-link.ts";
import { HostileHost } from "./support/hostile-host.ts";

/* Where a link leads and which certificate it takes is the control plane's to say, at each new connection. */

const signal = AbortSignal.timeout(60_000);
let host: HostileHost;
before(async () => {
  host = await HostileHost.listen();
});
after(() => host[Symbol.asyncDispose]());

const fingerprintOf = ({ cert }: LinkCredentials): string =>
  new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase();

test("an address that is not permitted is not connected to, nor one that a name stands for", async () => {
  let requests = 0;
  host.answer = (_request, response) => {
    requests++;
    response.end("{}");
  };
  for (const address of [`127.0.0.1:${host.port}`, `localhost:${host.port}`]) {
    const judged: string[] = [];
    const permits = (ip: string): boolean => {
      judged.push(ip);
      return false;
    };
    const agent = await host.client({ address, permits });
    const refused = await agent.facts(signal).catch((error: unknown) => error);
    assert.ok(WrennError.is(refused, "host_unavailable"), String(refused));
    assert.match(problemOf(refused.cause), /permitted/);
    assert.ok(
      judged.length > 0 && judged.every((ip) => ip === "127.0.0.1" || ip === "::1"),
      judged.join(" "),
    );
    await assert.rejects(agent.dial("cl-1", 80, { halfOpen: true, signal }), { reason: "host_unavailable" });
  }
  assert.deepEqual([requests, host.connections], [0, 0]);
  const permits = (ip: string): boolean => ip === "127.0.0.1";
  const named = await host.client({ address: `localhost:${host.port}`, permits });
  await assert.rejects(named.facts(signal), { reason: "operation_failed" });
  assert.equal(requests, 1, "of a name's addresses a permitted one is used");
});

test("a redirect is not followed", async () => {
  const other = await HostileHost.listen();
  let requests = 0;
  other.answer = (_request, response) => {
    requests++;
    response.end("{}");
  };
  host.answer = (_request, response) => {
    response.writeHead(307, { location: `https://127.0.0.1:${other.port}/call/facts` });
    response.end();
  };
  await assert.rejects((await host.client()).facts(signal));
  assert.equal(requests, 0);
  await other[Symbol.asyncDispose]();
});

test("a certificate that was replaced or revoked gets no request, on no new connection", async () => {
  const [older, newer] = [await hostCredentials(), await hostCredentials()];
  const accepted = new Set([fingerprintOf(older)]);
  const accepts = async (fingerprint: string): Promise<boolean> => accepted.has(fingerprint);
  let requests = 0;
  host.answer = (_request, response) => {
    requests++;
    response.end("{}");
  };
  /** What a call on a new connection is refused with. */
  const call = async (): Promise<unknown> =>
    await (await host.client({ accepts })).deleteSnapshot("x", signal).catch((error: unknown) => error);
  host.show(older);
  assert.deepEqual([await call(), requests], [undefined, 1]);
  host.show(newer);
  const refused = await call();
  assert.ok(WrennError.is(refused, "host_unavailable"), String(refused));
  assert.match(problemOf(refused.cause), /replaced or revoked/);
  assert.equal(requests, 1, "the request did not arrive");
  accepted.add(fingerprintOf(newer));
  assert.deepEqual([await call(), requests], [undefined, 2]);
  accepted.clear();
  const dialled = (await host.client({ accepts })).dial("cl-1", 80, { halfOpen: true, signal });
  await assert.rejects(dialled, { reason: "host_unavailable" });
});

test("many connections of a moment are judged by one question, and a revoked certificate is refused soon after", async () => {
  let passed = 0;
  const clock = { ...systemClock, monotonic: () => passed };
  let questions = 0;
  let isAccepted = true;
  const accepts = async (): Promise<boolean> => {
    questions++;
    await new Promise((resolve) => setTimeout(resolve, 10));
    return isAccepted;
  };
  let dials = 0;
  host.upgrade = (socket) => {
    dials++;
    socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: wrenn\r\n\r\n");
  };
  const agent = await host.client({ accepts, clock });
  const dial = async (): Promise<unknown> =>
    await agent.dial("cl-1", 80, { halfOpen: true, signal }).then(
      (socket) => void socket.on("error", () => undefined).destroy(),
      (error: unknown) => error,
    );
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 20 }, dial));
  assert.deepEqual([dials, questions], [200, 1]);
  isAccepted = false;
  passed = 5000;
  assert.ok(WrennError.is(await dial(), "host_unavailable"));
  assert.ok(WrennError.is(await dial(), "host_unavailable"));
  assert.deepEqual([dials, questions], [200, 3], "a refusal is asked for again");
  isAccepted = true;
  await dial();
  assert.equal(dials, 201);
});

test("a judgement that fails is no permission", async () => {
  let requests = 0;
  host.answer = (_request, response) => {
    requests++;
    response.end("{}");
  };
  const accepts = async (): Promise<boolean> => {
    throw new Error("the database is away");
  };
  await assert.rejects((await host.client({ accepts })).facts(signal), { reason: "host_unavailable" });
  assert.equal(requests, 0);
});
