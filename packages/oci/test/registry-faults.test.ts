import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { PullLab } from "./support/pull-lab.ts";
import type { BlobFault } from "./support/send-blob.ts";

const GONE: BlobFault = { kind: "status", status: 503 };

test("a download that breaks goes on where it broke", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: lab.layer, fault: { kind: "dies", after: 100_000 } });
  lab.registry.fail({ path: lab.layer, fault: { kind: "dies", after: 50_000 } });
  await lab.pull();
  assert.deepEqual(
    lab.layerRequests.map(({ status }) => status),
    [200, 206, 206],
  );
  // How much of the last bytes arrives is up to the connection.
  const [, second = 0, third = 0] = lab.layerRequests.map(({ range = "" }) => Number(/\d+/.exec(range)));
  assert.ok(
    second > 0 && second <= 100_000 && third > second && third <= second + 50_000,
    `${second} ${third}`,
  );
});

const wrongParts: Readonly<Record<string, BlobFault>> = {
  "the whole": { kind: "ignores-range" },
  "a part that begins elsewhere": { kind: "lies-about-range", contentRange: "bytes 0-9/300544" },
  "a part without a name": { kind: "lies-about-range", contentRange: "" },
  "that there is no such part": { kind: "status", status: 416 },
};
for (const [what, fault] of Object.entries(wrongParts))
  test(`a download begins again where the server sends ${what}`, async () => {
    await using lab = await PullLab.open();
    lab.registry.fail({ path: lab.layer, fault: { kind: "dies", after: 100_000 } });
    lab.registry.fail({ path: lab.layer, fault });
    await lab.pull();
    assert.match(lab.layerRequests[1]?.range ?? "", /^bytes=\d+-$/);
    if (fault.kind !== "ignores-range") assert.equal(lab.layerRequests[2]?.range, undefined);
  });

test("wrong bytes are refused with the name of the blob", async () => {
  for (const part of ["layer", "config", "manifest"] as const) {
    await using lab = await PullLab.open();
    const digest = part === "layer" ? lab.layer : (lab.image[part]?.digest ?? "");
    const path = part === "manifest" ? "manifests/" : digest;
    lab.registry.fail({ path, fault: { kind: "wrong-bit" } });
    const error = await lab.refused("image_damaged");
    assert.equal(error.context["blob"], digest);
    assert.match(error.message, /its digest is sha256:/);
  }
});

test("a blob that is longer than its manifest says is refused as soon as it is", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: lab.layer, fault: { kind: "wrong-length", by: 1000 } });
  assert.match((await lab.refused("image_damaged")).message, /longer than the 301568 bytes/);
});

test("a blob that stays shorter than its manifest says is given up", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: lab.layer, times: 9, fault: { kind: "wrong-length", by: -1000 } });
  const error = await lab.refused("registry_unreachable", { limits: { resumes: 5 } });
  assert.match(error.message, /sent 30\d+ of 301568 bytes/);
});

test("servers that fail for a while are asked again, with growing pauses", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: "manifests/", times: 2, fault: GONE });
  lab.registry.fail({ path: lab.layer, times: 3, fault: { kind: "status", status: 500 } });
  await lab.pull();
  assert.deepEqual(lab.clock.slept, [500, 1000, 500, 1000, 2000]);
});

test("a server that keeps failing is given up", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: "manifests/", times: 9, fault: GONE });
  assert.match((await lab.refused("registry_unreachable")).message, /status 503/);
  assert.deepEqual(lab.clock.slept, [500, 1000, 2000, 4000]);
});

test("Retry-After is waited for, in seconds or as a date, up to a bound", async () => {
  await using lab = await PullLab.open();
  const limited = (after: string): BlobFault => ({
    kind: "status",
    status: 429,
    headers: { "retry-after": after },
  });
  lab.registry.fail({ path: "manifests/", fault: limited("7") });
  lab.registry.fail({
    path: lab.layer,
    fault: limited(new Date(lab.clock.now() + 7000 + 20_000).toUTCString()),
  });
  await lab.pull();
  const [seconds = 0, date = 0] = lab.clock.slept;
  assert.equal(seconds, 7000);
  assert.ok(date > 10_000 && date <= 21_000, String(date));
  await using other = await PullLab.open();
  other.registry.fail({ path: "manifests/", times: 9, fault: limited("3600") });
  await other.refused("registry_rate_limited");
  assert.deepEqual(other.clock.slept, []);
});

test("a server that sends nothing, or next to nothing, is given up", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: lab.layer, fault: { kind: "hangs", after: 0 } });
  lab.registry.fail({ path: lab.layer, fault: { kind: "hangs", after: 1000 } });
  await lab.pull({ limits: { idleMs: 300 } });
  const ranges = lab.layerRequests.map(({ range }) => range);
  assert.ok(ranges.length >= 3 && ranges.includes("bytes=1000-"), ranges.join());
});

test("an abort ends a pull with its reason, also in the middle of a layer", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: lab.layer, fault: { kind: "hangs", after: 1000 } });
  const abort = new AbortController();
  const reason = new Error("given up");
  setTimeout(() => abort.abort(reason), 100);
  await assert.rejects(lab.pull({}, abort.signal), reason);
});

test("what does not exist is not asked for again, and neither is a registry that does not answer after its attempts", async () => {
  await using lab = await PullLab.open();
  lab.registry.fail({ path: "manifests/", fault: { kind: "status", status: 404 } });
  assert.match((await lab.refused("image_not_found")).message, /team\/app:v1/);
  assert.equal(lab.registry.requests.length, 1);
  await using gone = await PullLab.open();
  await gone.registry[Symbol.asyncDispose]();
  const error = await gone.refused("registry_unreachable");
  assert.match(error.message, /^the registry 127\.0\.0\.1:\d+ cannot be used: the connection is refused$/);
});

test("a mirror is asked first, and left out where it lacks or damages something", async () => {
  await using lab = await PullLab.open();
  await using mirror = await PullLab.open();
  const mirrors = { [lab.registry.host]: [`http://${mirror.registry.host}`] };
  await lab.pull({ mirrors });
  assert.equal(lab.registry.requests.length, 0);
  assert.equal(mirror.registry.requests.length, 3);

  await using second = await PullLab.open();
  mirror.registry.fail({ path: mirror.layer, fault: { kind: "wrong-bit" } });
  await second.pull({ mirrors: { [second.registry.host]: [mirror.registry.host] } });
  assert.deepEqual(second.layerRequests, [{ range: undefined, status: 200 }]);

  await using third = await PullLab.open();
  mirror.registry.fail({ path: "manifests/", times: 9, fault: GONE });
  await third.pull({ mirrors: { [third.registry.host]: ["127.0.0.1:9", mirror.registry.host] } });
  assert.equal(third.registry.requests.length, 3);
});

test("errors have neither credentials nor addresses that are signed", async () => {
  await using lab = await PullLab.open({
    blobHost: true,
    access: { kind: "basic", username: "me", password: "s3cret" },
  });
  lab.registry.fail({ path: lab.layer, times: 99, fault: { kind: "dies", after: 0 } });
  const lines: string[] = [];
  const add = (event: string, fields?: object): unknown => lines.push(`${event} ${JSON.stringify(fields)}`);
  const logger = { debug: add, info: add, warn: add, error: add, child: () => logger };
  const error = await lab.refused("registry_unreachable", {
    logger,
    credentials: () => ({ username: "me", password: "s3cret" }),
  });
  const all =
    [error, error.cause].map((one) => (one instanceof Error ? one.message : "")).join("\n") +
    lines.join("\n");
  assert.doesNotMatch(all, /s3cret|signature|Basic/);
  assert.ok(error instanceof WrennError);
});
