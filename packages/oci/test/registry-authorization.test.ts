import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { openRegistry, parseReference } from "@wrenn/oci";
import { PullLab } from "./support/pull-lab.ts";
import { basic } from "./support/registry-server.ts";
import { parseChallenges } from "../src/registry/challenge.ts";

const me = { username: "me", password: "pass:word ü" };

test("a token is fetched once, for pulling this repository only", async () => {
  await using lab = await PullLab.open({ access: { kind: "token" } });
  await lab.pull();
  const tokens = lab.registry.requests.filter(({ host }) => host === "tokens");
  assert.equal(tokens.length, 1);
  assert.equal(tokens[0]?.authorization, undefined);
  assert.deepEqual(
    lab.registry.requests.map(({ host, status }) => `${host} ${status}`),
    ["registry 401", "tokens 200", "registry 200", "registry 200", "registry 200"],
  );
});

test("one look-up of credentials serves tokens, manifests and layers", async () => {
  await using lab = await PullLab.open({ access: { kind: "token", ...me } });
  const asked: string[] = [];
  await lab.pull({
    credentials: async (registry, repository) => {
      asked.push(`${registry} ${repository}`);
      return await Promise.resolve(me);
    },
  });
  assert.deepEqual(asked, [`${lab.registry.host} team/app`]);
  const token = lab.registry.requests.find(({ host }) => host === "tokens");
  assert.equal(token?.authorization, basic(me.username, me.password));
  const others = lab.registry.requests.filter(({ host }) => host === "registry");
  assert.ok(others.every(({ authorization = "Bearer" }) => authorization.startsWith("Bearer")));
});

test("basic credentials are sent when they are asked for", async () => {
  await using lab = await PullLab.open({ access: { kind: "basic", ...me } });
  await lab.pull({ credentials: () => me });
  assert.deepEqual(
    lab.registry.requests.map(({ authorization }) => authorization),
    [undefined, ...Array.from({ length: 3 }, () => basic(me.username, me.password))],
  );
});

test("credentials that are missing or wrong end the pull after one try", async () => {
  for (const kind of ["basic", "token"] as const)
    for (const credentials of [undefined, { username: "me", password: "no" }]) {
      await using lab = await PullLab.open({ access: { kind, ...me } });
      const error = await lab.refused("image_access_denied", { credentials: () => credentials });
      assert.equal(error.context["registry"], lab.registry.host);
      assert.ok(lab.registry.requests.length <= 2);
    }
});

test("a token that ends in the middle of a layer is replaced, and the layer goes on", async () => {
  await using lab = await PullLab.open({ access: { kind: "token", lifeSec: 2 } });
  lab.registry.fail({ path: lab.layer, times: 3, fault: { kind: "dies", after: 60_000 } });
  // Each pause between two parts is longer than a token lives.
  const { clock } = lab;
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (ms, signal) => {
    await sleep(ms + 3000, signal);
  };
  await lab.pull();
  assert.deepEqual(
    lab.layerRequests.map(({ status }) => status),
    [200, 206, 206, 206],
  );
  assert.equal(lab.registry.requests.filter(({ host }) => host === "tokens").length, 4);
});

test("a token that the registry refuses before its end is replaced once for each end", async () => {
  await using lab = await PullLab.open({ access: { kind: "token" } });
  lab.registry.fail({ path: lab.layer, fault: { kind: "dies", after: 60_000 } });
  const { clock } = lab;
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (ms, signal) => {
    lab.registry.endTokens();
    await sleep(ms, signal);
  };
  await lab.pull();
  assert.deepEqual(
    lab.layerRequests.map(({ status }) => status),
    [200, 401, 206],
  );
});

test("a bearer token of the settings is sent as it is, and once", async () => {
  await using lab = await PullLab.open({ access: { kind: "token" } });
  await lab.refused("image_access_denied", { credentials: () => ({ token: "mine" }) });
  assert.deepEqual(
    lab.registry.requests.map(({ authorization }) => authorization),
    [undefined, "Bearer mine"],
  );
});

test("Authorization is dropped on the way to a host of blobs", async () => {
  await using lab = await PullLab.open({ access: { kind: "token", ...me }, blobHost: true });
  lab.registry.fail({ path: lab.layer, fault: { kind: "dies", after: 60_000 } });
  await lab.pull({ credentials: () => me });
  const stored = lab.registry.requests.filter(({ host }) => host === "blobs");
  assert.equal(stored.length, 3);
  assert.ok(stored.every(({ authorization, status }) => authorization === undefined && status < 300));
});

test("redirects that go on and on, nowhere, or to another protocol are refused", async () => {
  const locations = ["/v2/again", "http://", "file:///etc/passwd", undefined];
  for (const location of locations) {
    const server = createServer((_, response) => {
      response.writeHead(302, location === undefined ? {} : { location }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using lab = await PullLab.open();
    const { fetch } = globalThis;
    await lab.refused("registry_unreachable", {
      limits: { attempts: 1 },
      fetch: async (url, init) => await fetch(addressOf(url).replace(lab.registry.host, host), init),
    });
    server.close();
  }
});

test("a redirect from HTTPS to plain HTTP is refused, and so is a plain address for tokens", async () => {
  const realm = 'Bearer realm="http://tokens.example/token"';
  for (const answer of [
    new Response(null, { status: 307, headers: { location: "http://blobs.example/x" } }),
    new Response(null, { status: 401, headers: { "www-authenticate": realm } }),
  ]) {
    const asked: string[] = [];
    const registry = openRegistry({
      limits: { attempts: 1 },
      credentials: () => me,
      fetch: async (url) => {
        asked.push(addressOf(url));
        return await Promise.resolve(answer);
      },
    });
    const source = registry.image(parseReference("registry.example/app:v1"));
    await assert.rejects(source.readManifest(undefined, new AbortController().signal), (error) =>
      WrennError.is(error, "registry_unreachable"),
    );
    assert.deepEqual(asked, ["https://registry.example/v2/app/manifests/v1"]);
  }
});

test("challenges are read with quotes, escapes, several schemes, and whatever else", () => {
  const read = (header: string): unknown =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  assert.deepEqual(read('Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope=repository:a:pull'), [
    ["bearer", { realm: "https://a/t?x=1,2", service: 's "q"', scope: "repository:a:pull" }],
  ]);
  assert.deepEqual(read('Basic realm="x", Bearer realm="y",error="invalid_token"'), [
    ["basic", { realm: "x" }],
    ["bearer", { realm: "y", error: "invalid_token" }],
  ]);
  assert.deepEqual(read("Negotiate"), [["negotiate", {}]]);
  assert.deepEqual(parseChallenges(null), []);
  assert.deepEqual(read('="x"'), []);
  const before = process.cpuUsage();
  for (const piece of ["a", "a=", 'a="', ",", " ", "\\", 'a="\\']) parseChallenges(piece.repeat(200_000));
  assert.ok(process.cpuUsage(before).user < 1_000_000);
});

function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : String(input);
}
