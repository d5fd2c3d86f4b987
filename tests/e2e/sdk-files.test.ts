import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import type { WrennError } from "../../packages/sdk/src/errors/wrenn-error.ts";
import { Files } from "../../packages/sdk/src/files/files.ts";
import type { ConnectionOptions } from "../../packages/sdk/src/transport/connection.ts";
import { connectionSettings } from "../../packages/sdk/src/transport/connection.ts";
import { HttpClient } from "../../packages/sdk/src/transport/http.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import type { Fault } from "../support/faulty-connection.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const TRANSFER_BYTES = LONG ? 2 ** 31 : 200_000_000;

let server: TestServer;
let proxy: FaultProxy;
let id: string;
let files: Files;
/** The same through a proxy that breaks connections. */
let faulty: Files;

before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined, LONG ? { disk_mb: 10_240 } : {});
  proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: Number(new URL(server.url).port) } });
  files = through(server.url);
  faulty = through(proxy.url, { requestTimeoutMs: 2000, silenceMs: 1000 });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await server.close();
});
beforeEach(() => proxy.clear());

function through(url: string, options: ConnectionOptions = {}): Files {
  return new Files(new HttpClient(connectionSettings({ url, apiKey: server.apiKey, ...options })), id);
}

const shell = async (line: string): Promise<string> => {
  const { stdout, stderr, exit_code: code } = await server.shell(id, line);
  assert.equal(code, 0, stderr);
  return stdout;
};
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const hashInGuest = async (path: string): Promise<string> =>
  (await shell(`sha256sum < '${path}'`)).split(" ")[0] ?? "";

test("a file is written, described, read, copied, moved, archived and removed", async () => {
  const bytes = randomBytes(3_000_001);
  const entry = await files.write("/root/d/blob", bytes, { mode: 0o640 });
  assert.deepEqual(
    [entry.path, entry.size, entry.mode, entry.permissions, entry.owner, entry.type],
    ["/root/d/blob", bytes.length, 0o640, "-rw-r-----", "root", "file"],
  );
  assert.ok(Math.abs(entry.modifiedAt.getTime() - Date.now()) < 60_000);
  assert.equal(await hashInGuest("/root/d/blob"), sha256(bytes));
  assert.ok(bytes.equals(await files.readBytes("/root/d/blob")));
  await assert.rejects(files.write("/root/d/blob", "x", { overwrite: false }), { reason: "path_exists" });
  assert.equal((await files.mkdir("/root/d/e/f")).type, "directory");
  await files.mkdir("/root/d/e/f");
  await assert.rejects(files.mkdir("/root/d/e/f", { exclusive: true }), { reason: "path_exists" });
  await files.copy("/root/d/blob", "/root/d/e/copy");
  await files.move("/root/d/e/copy", "/root/d/e/moved");
  await files.chmod("/root/d/e/moved", "600");
  await shell("ln -s blob /root/d/link");
  const names = (await files.list("/root/d", { depth: 3 })).map(
    ({ path, mode }) => `${path} ${mode.toString(8)}`,
  );
  assert.deepEqual(names, [
    "/root/d/blob 640",
    "/root/d/e 755",
    "/root/d/e/f 755",
    "/root/d/e/moved 600",
    "/root/d/link 777",
  ]);
  const link = await files.stat("/root/d/link");
  assert.deepEqual([link.type, link.kind, link.symlinkTarget], ["file", "symlink", "blob"]);
  assert.deepEqual([await files.exists("/root/d"), await files.exists("/root/x")], [true, false]);
  await assert.rejects(files.write("/root/x", "x", { user: "user" }), { reason: "permission_denied" });

  const directory = await mkdtemp("/tmp/wrenn-sdk-");
  try {
    const archive = join(directory, "d.tar.gz");
    await writeFile(archive, await files.archive("/root/d"));
    const { stdout } = await runCommand(["tar", "-tzf", archive]);
    const names = stdout.split("\n").map((name) => name.replace(/^(?:\.|d)\//, "").replace(/\/$/, ""));
    assert.deepEqual(names.filter((name) => name !== "").sort(), ["blob", "e", "e/f", "e/moved", "link"]);
  } finally {
    await rm(directory, { recursive: true });
  }
  await files.remove("/root/d");
  await files.remove("/root/d", { force: true });
  await assert.rejects(files.remove("/root/d"), { reason: "path_not_found" });
  await assert.rejects(files.readText("/root/d/blob"), { reason: "path_not_found" });
  await assert.rejects(files.archive("/root/none"), { reason: "path_not_found" });
});

test("text keeps its bytes, and files without a size are read to their end", async () => {
  await files.write("/root/text", "\ufeffgrün 🦊\n");
  assert.equal(await files.readText("/root/text"), "\ufeffgrün 🦊\n");
  assert.equal(await shell("od -An -c /root/text | head -c 12"), " 357 273 277");
  await files.write("/root/empty", "");
  assert.equal(await files.read("/root/empty"), "");
  assert.match(await files.readText("/proc/self/status"), /^Name:/);
});

test("names that are not UTF-8 go up and come down by each call", async () => {
  await shell("mkdir -p /root/n && printf abc > \"$(printf '/root/n/caf\\351')\"");
  const [entry] = await files.list("/root/n");
  const path = entry?.path ?? "";
  assert.equal(path, "/root/n/caf\udce9");
  assert.equal(await files.readText(path), "abc");
  await files.write(path, "longer");
  await files.upload(`${path}\udcff`, "second");
  await files.copy(path, `${path}+ä`);
  assert.equal(await files.exists(`${path}\udcff`), true);
  const chars = await shell("cd /root/n && ls | od -An -tx1 | tr -d ' \\n'");
  assert.equal(chars, "636166e90a636166e92bc3a40a636166e9ff0a");
  assert.equal(await shell("cat /root/n/*"), "longerlongersecond");
  const archive = await files.archive("/root/n");
  await archive.cancel();
});

const content = randomBytes(6_000_000);

test("a download through breaking connections is whole, and hashes as the file in the guest does", async () => {
  await files.write("/root/down", content);
  const cases: readonly Fault[] = [
    { on: /^GET /, kind: "cut", after: { responseBytes: 3_000_000 } },
    { on: /^GET /, kind: "end", after: { responseBytes: 1_000_000 } },
    { on: /^GET /, kind: "halt", after: { responseBytes: 2_000_000 } },
    { on: /^GET /, kind: "refuse" },
  ];
  const expected = await hashInGuest("/root/down");
  for (const fault of cases) {
    proxy.clear();
    proxy.plan(fault, 2);
    assert.equal(sha256(await faulty.readBytes("/root/down")), expected, fault.kind);
  }
});

test("an upload through breaking connections is whole, from data of each kind", async () => {
  const cases: readonly Fault[] = [
    { on: /^PATCH /, kind: "cut", after: { requestBytes: 1_500_000 } },
    { on: /^PATCH /, kind: "end-to-client", after: { requestBytes: 2_500_000 } },
    { on: /^PATCH /, kind: "halt", after: { requestBytes: 3_000_000 } },
    { on: /^PATCH /, kind: "cut", after: { responseBytes: 0 } },
    { on: /^POST /, kind: "cut", after: { responseBytes: 0 } },
  ];
  async function* stream(offset = 0): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000);
  }
  const sources = [
    () => content,
    () => stream(),
    () => new Blob([content]),
    () => (offset: number) => stream(offset),
  ];
  for (const [index, fault] of cases.entries()) {
    proxy.clear();
    proxy.plan(fault, 1);
    const source = (sources[index % sources.length] ?? sources[0])?.() ?? assert.fail();
    const path = `/root/up/${fault.kind}-${index}`;
    const entry = await faulty.upload(path, source, { size: content.length, chunkBytes: 3_500_000 });
    assert.equal(entry.size, content.length);
    assert.equal(await hashInGuest(path), sha256(content), fault.kind);
  }
  await files.remove("/root/up");
});

test("the answer to the last piece may be lost: the file is found", async () => {
  proxy.plan({ on: /^PATCH /, kind: "cut", after: { responseBytes: 1 } });
  const entry = await faulty.upload("/root/last", content.subarray(0, 1000));
  assert.deepEqual([entry.path, entry.size], ["/root/last", 1000]);
});

test("a write of data that can be read again survives a break, a one-shot stream fails typed and leaves nothing", async () => {
  proxy.plan({ on: /^PUT /, kind: "cut", after: { requestBytes: 2_000_000 } });
  await faulty.write("/root/w/again", content);
  assert.equal(await hashInGuest("/root/w/again"), sha256(content));
  proxy.plan({ on: /^PUT /, kind: "cut", after: { requestBytes: 3_000_000 } });
  await assert.rejects(faulty.write("/root/w/once", new Blob([content]).stream()), { code: "body_spent" });
  assert.equal(await files.exists("/root/w/once"), false);
});

test("a file that is replaced during a broken download fails typed", async () => {
  await files.write("/root/changing", content);
  proxy.plan({ on: /^GET /, kind: "cut", after: { responseBytes: 4_000_000 } });
  const reader = (await faulty.download("/root/changing")).getReader();
  await reader.read();
  await files.write("/root/changing", content);
  const rest = (async () => {
    while (!(await reader.read()).done);
  })();
  await assert.rejects(rest, { code: "file_changed" });
});

test("an upload and a download that were lost are continued by later calls", async () => {
  const hasty = through(proxy.url, { resumeMs: 300, retries: 0 });
  let lost: WrennError["details"] = {};
  const isLost = (error: WrennError): boolean => {
    assert.equal(error.code, "stream_lost");
    lost = error.details;
    return true;
  };
  proxy.plan({ on: /^GET /, kind: "cut", after: { responseBytes: 4_000_000 } });
  proxy.plan({ on: /^GET /, kind: "refuse" }, 20);
  const parts: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of await hasty.download("/root/down")) parts.push(chunk);
  })();
  await assert.rejects(reading, isLost);
  const { from, version } = lost as { from: number; version: string };
  assert.equal(Buffer.concat(parts).length, from);
  for await (const chunk of await files.download("/root/down", { from, version })) parts.push(chunk);
  assert.equal(sha256(Buffer.concat(parts)), sha256(content));

  proxy.clear();
  proxy.plan({ on: /^PATCH /, kind: "cut", after: { requestBytes: 2_000_000 } });
  proxy.plan({ on: /^GET /, kind: "refuse" }, 20);
  await assert.rejects(hasty.upload("/root/resumed", content), isLost);
  const resume = String(lost["uploadId"]);
  await files.upload("/root/resumed", content, { resume });
  assert.equal(await hashInGuest("/root/resumed"), sha256(content));
});

test("an abort of a copy, a download and an upload leaves nothing behind", async () => {
  const reason = new Error("enough");
  for (const call of [
    (signal: AbortSignal) => files.copy("/usr/lib", "/root/copied", { signal }),
    (signal: AbortSignal) => files.upload("/root/aborted", slowly(), { size: content.length, signal }),
    (signal: AbortSignal) => files.write("/root/aborted", slowly(), { signal }),
  ]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(call(controller.signal), reason);
  }
  await eventually("nothing is left", async () => {
    const left = (await files.list("/root")).map(({ name }) => name);
    return !left.some((name) => /copied|aborted|^\./.test(name) && !/^\.(?:bashrc|profile)$/.test(name));
  });
  const { body } = await server.call<{ error: { reason: string } }>(
    "GET",
    `/v1/capsules/${id}/files/uploads/up-${"0".repeat(25)}`,
  );
  assert.equal(body.error.reason, "upload_not_found");

  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < content.length; at += 100_000) {
      yield content.subarray(at, at + 100_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});

test(`memory stays flat over ${TRANSFER_BYTES} bytes in each direction`, { timeout: 600_000 }, async (t) => {
  const script = join(import.meta.dirname, "../support/sdk-transfer-process.ts");
  const args: [string, ...string[]] = [
    process.execPath,
    "--expose-gc",
    script,
    id,
    "/root/large",
    String(TRANSFER_BYTES),
  ];
  const { stdout } = await runCommand(args, {
    env: { ...process.env, WRENN_URL: server.url, WRENN_API_KEY: server.apiKey },
  });
  const moved = JSON.parse(stdout) as Record<
    "written" | "uploaded" | "downloaded",
    { ms: number; growthMib: number }
  > & {
    sent: string;
    received: string;
  };
  t.diagnostic(stdout);
  assert.equal(moved.received, moved.sent);
  for (const way of ["written", "uploaded", "downloaded"] as const)
    assert.ok(moved[way].growthMib < 100, `${way}: ${moved[way].growthMib} MiB`);
  await files.remove("/root/large");
});
