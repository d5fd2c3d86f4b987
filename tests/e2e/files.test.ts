import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly kind: string;
  readonly size: number;
  readonly mode: number;
  readonly permissions: string;
  readonly owner: string;
  readonly symlink_target?: string;
}
interface Refusal {
  readonly error: { readonly code: string; readonly message: string; readonly reason: string };
}

const call = <T>(verb: string, body: unknown) =>
  server.call<T>("POST", `/v1/capsules/${id}/files/${verb}`, body);
const contentUrl = (path: string, more = ""): URL =>
  new URL(`/v1/capsules/${id}/files/content?path=${encodeURIComponent(path)}${more}`, server.server.url);
const key = (): Record<string, string> => ({ "x-api-key": server.server.apiKey });
const put = (path: string, body: Buffer | string, headers: Record<string, string> = {}, more = "") =>
  fetch(contentUrl(path, more), { method: "PUT", headers: { ...key(), ...headers }, body });
const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(contentUrl(path), { method, headers: { ...key(), ...headers } });
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

async function refused(answer: Promise<{ status: number; body: unknown }>, status: number, reason: string) {
  const { status: actual, body } = await answer;
  assert.deepEqual([actual, (body as Refusal).error?.reason], [status, reason]);
}

test("a file goes up and comes down exactly, with a digest, an entity tag and ranges", async () => {
  const bytes = randomBytes(3_000_001);
  const up = await put("/tmp/deep/er/blob", bytes, { "content-digest": `sha-256=:${sha256(bytes)}:` });
  assert.equal(up.status, 200);
  const tag = up.headers.get("etag") ?? "";
  const down = await get("/tmp/deep/er/blob");
  assert.equal(down.headers.get("content-length"), String(bytes.length));
  assert.equal(down.headers.get("etag"), tag);
  assert.ok(Buffer.from(await down.arrayBuffer()).equals(bytes));

  const part = await get("/tmp/deep/er/blob", { range: "bytes=1000000-1000009" });
  assert.deepEqual([part.status, part.headers.get("content-range")], [206, "bytes 1000000-1000009/3000001"]);
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1_000_000, 1_000_010)));
  const suffix = await get("/tmp/deep/er/blob", { range: "bytes=-5", "if-range": tag });
  assert.ok(Buffer.from(await suffix.arrayBuffer()).equals(bytes.subarray(-5)));
  const outside = await get("/tmp/deep/er/blob", { range: "bytes=4000000-" });
  assert.deepEqual([outside.status, outside.headers.get("content-range")], [416, "bytes */3000001"]);
  assert.equal((await get("/tmp/deep/er/blob", { "if-none-match": tag })).status, 304);
  const head = await get("/tmp/deep/er/blob", {}, "HEAD");
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "3000001"]);
});

test("an upload that fails leaves the old file: wrong digest, vanished client, exclusive write", async () => {
  await put("/tmp/kept", "old");
  const wrong = await put("/tmp/kept", "new", {
    "content-digest": `sha-256=:${sha256(Buffer.from("other"))}:`,
  });
  assert.equal(wrong.status, 400);
  assert.equal(((await wrong.json()) as Refusal).error.reason, "content_digest_mismatch");
  assert.equal((await put("/tmp/kept", "new", { "if-none-match": "*" })).status, 409);

  const vanishing = httpRequest(contentUrl("/tmp/kept"), {
    method: "PUT",
    headers: { ...key(), "content-length": 1000 },
  });
  vanishing.on("error", () => {});
  vanishing.write("only a part");
  await new Promise((resolve) => setTimeout(resolve, 300));
  vanishing.destroy();
  const count = async (): Promise<string> =>
    (await server.shell(id, "ls -A /tmp | grep -c kept")).stdout.trim();
  await eventually("no temporary file stays", async () => (await count()) === "1");
  assert.equal(await (await get("/tmp/kept")).text(), "old");
});

test("forms: write and stream/write with path before file", async () => {
  for (const verb of ["write", "stream/write"]) {
    const form = new FormData();
    form.set("path", `/tmp/form/${verb.replace("/", "-")}`);
    form.set("file", new Blob([Buffer.from("from a form")]), "name.txt");
    const url = new URL(`/v1/capsules/${id}/files/${verb}`, server.server.url);
    const answer = await fetch(url, { method: "POST", headers: key(), body: form });
    assert.equal(answer.status, 204, await answer.text());
    const read = await fetch(new URL(`/v1/capsules/${id}/files/read`, server.server.url), {
      method: "POST",
      headers: { ...key(), "content-type": "application/json" },
      body: JSON.stringify({ path: `/tmp/form/${verb.replace("/", "-")}` }),
    });
    assert.equal(await read.text(), "from a form");

    const noPath = new FormData();
    noPath.set("file", new Blob(["x"]), "x");
    const refusal = await fetch(url, { method: "POST", headers: key(), body: noPath });
    assert.deepEqual(
      [refusal.status, ((await refusal.json()) as Refusal).error.message],
      [400, "path field is required"],
    );
    const noFile = new FormData();
    noFile.set("path", "/tmp/x");
    const second = await fetch(url, { method: "POST", headers: key(), body: noFile });
    assert.deepEqual(
      [second.status, ((await second.json()) as Refusal).error.message],
      [400, "file field is required"],
    );
    const json = await server.call<Refusal>("POST", url.pathname, { path: "/tmp/x" });
    assert.deepEqual([json.status, json.body.error.reason], [400, "multipart_expected"]);
  }
});

test("a form cut off in the middle leaves no file", async () => {
  const boundary = "cut";
  const request = httpRequest(new URL(`/v1/capsules/${id}/files/stream/write`, server.server.url), {
    method: "POST",
    headers: { ...key(), "content-type": `multipart/form-data; boundary=${boundary}` },
  });
  request.on("error", () => {});
  request.write(
    [`--${boundary}`, 'Content-Disposition: form-data; name="path"', "", "/tmp/cut-off"].join("\r\n") +
      [
        `\r\n--${boundary}`,
        'Content-Disposition: form-data; name="file"; filename="x"',
        "",
        "part of it",
      ].join("\r\n"),
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  request.end();
  const [response] = (await once(request, "response")) as [{ statusCode: number }];
  assert.equal(response.statusCode, 400);
  assert.equal((await call<{ exists: boolean }>("exists", { path: "/tmp/cut-off" })).body.exists, false);
});

test("list, mkdir, stat, exists, move, copy, chmod, remove", async () => {
  const made = await call<{ entry: Entry }>("mkdir", { path: "/tmp/tree/a/b" });
  assert.deepEqual(
    [made.status, made.body.entry.type, made.body.entry.path],
    [200, "directory", "/tmp/tree/a/b"],
  );
  await refused(call("mkdir", { path: "/tmp/tree/a/b" }), 409, "path_exists");
  await put("/tmp/tree/a/file", "12345");
  await refused(call("mkdir", { path: "/tmp/tree/a/file" }), 400, "not_a_directory");
  const flat = await call<{ entries: Entry[] }>("list", { path: "/tmp/tree" });
  assert.deepEqual(
    flat.body.entries.map(({ name }) => name),
    ["a"],
  );
  const deep = await call<{ entries: Entry[] }>("list", { path: "/tmp/tree", depth: 3 });
  assert.deepEqual(deep.body.entries.map(({ path }) => path).sort(), [
    "/tmp/tree/a",
    "/tmp/tree/a/b",
    "/tmp/tree/a/file",
  ]);

  const copied = await call<{ entry: Entry }>("copy", { source: "/tmp/tree", destination: "/tmp/copy" });
  assert.equal(copied.body.entry.path, "/tmp/copy");
  await refused(
    call("move", { source: "/tmp/tree/a/file", destination: "/tmp/copy/a/file" }),
    409,
    "path_exists",
  );
  const moved = await call<{ entry: Entry }>("move", {
    source: "/tmp/tree/a/file",
    destination: "/tmp/copy/a/file",
    overwrite: true,
  });
  assert.equal(moved.body.entry.size, 5);
  const mode = await call<{ entry: Entry }>("chmod", { path: "/tmp/copy/a/file", mode: "4750" });
  assert.deepEqual([mode.body.entry.mode, mode.body.entry.permissions], [0o4750, "-rwsr-x---"]);
  const stat = await call<{ entry: Entry }>("stat", { path: "/tmp/copy/a/file" });
  assert.deepEqual([stat.body.entry.owner, stat.body.entry.kind], ["root", "file"]);
  assert.equal((await call("remove", { path: "/tmp/copy" })).status, 204);
  await refused(call("remove", { path: "/tmp/copy" }), 404, "path_not_found");
  assert.equal((await call<{ exists: boolean }>("exists", { path: "/tmp/copy/a/file" })).body.exists, false);
});

test("links, devices and odd names are listed and reached", async () => {
  await server.shell(
    id,
    `mkdir -p /tmp/odd && cd /tmp/odd && ln -sf /etc link && ln -sf nowhere dangling && mkfifo fifo; touch "new
line" "$(printf 'bad\\377byte')"`,
  );
  const { body } = await call<{ entries: Entry[] }>("list", { path: "/tmp/odd" });
  const byName = new Map(body.entries.map((entry) => [entry.name, entry]));
  assert.deepEqual([byName.get("link")?.type, byName.get("link")?.symlink_target], ["directory", "/etc"]);
  assert.equal(byName.get("dangling")?.type, "symlink");
  assert.deepEqual([byName.get("fifo")?.type, byName.get("fifo")?.kind], ["file", "fifo"]);
  assert.ok(byName.has("new\nline"));
  assert.ok(byName.has("bad\udcffbyte"));
  const odd = await call<{ entry: Entry }>("stat", { path: "/tmp/odd/bad\udcffbyte" });
  assert.equal(odd.body.entry.size, 0);
  const devices = await call<{ entries: Entry[] }>("list", { path: "/dev" });
  assert.ok(devices.body.entries.every(({ type }) => ["file", "directory", "symlink"].includes(type)));
  const proc = await get("/proc/self/status");
  assert.match(await proc.text(), /^Name:/);
});

test("the chosen user's permissions hold, and ~ is that user's home", async () => {
  await put("/root/secret", "x", {}, "&mode=600");
  await refused(call("list", { path: "/root", user: "user" }), 403, "permission_denied");
  const own = await put("~/mine", "y", {}, "&user=user");
  const { entry } = (await own.json()) as { entry: Entry };
  assert.deepEqual([entry.path, entry.owner], ["/home/user/mine", "user"]);
  const relative = await call<{ entry: Entry }>("stat", { path: "mine", user: "user" });
  assert.equal(relative.body.entry.path, "/home/user/mine");
});

test("a directory comes down as an archive", async () => {
  await server.shell(
    id,
    "mkdir -p /tmp/pack/inner; echo one > /tmp/pack/a; ln -s a /tmp/pack/link; echo two > /tmp/pack/inner/b",
  );
  const url = new URL(`/v1/capsules/${id}/files/archive?path=/tmp/pack`, server.url);
  const answer = await fetch(url, { headers: key() });
  assert.equal(answer.headers.get("content-type"), "application/gzip");
  const archive = Buffer.from(await answer.arrayBuffer());
  const directory = await mkdtemp("/tmp/wrenn-archive-");
  try {
    await writeFile(join(directory, "pack.tgz"), archive);
    await runCommand(["tar", "-xzf", join(directory, "pack.tgz"), "-C", directory]);
    const found = await runCommand(["find", directory, "-name", "b"]);
    assert.equal(await readFile(found.stdout.trim(), "utf8"), "two\n");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("changes of a directory are told as they happen", async () => {
  await server.shell(id, "mkdir -p /tmp/watched/deep");
  const watch = await StreamClient.open(
    server,
    `/v1/capsules/${id}/files/watch?path=/tmp/watched&recursive=true`,
  );
  await watch.next("watching");
  await server.shell(id, "echo x > /tmp/watched/deep/file; rm /tmp/watched/deep/file");
  await watch.until(
    () => watch.messages.find((message) => message["change"] === "remove" && message["path"] === "deep/file"),
    "the removal",
    30,
  );
  const seen = watch.messages.filter(({ type }) => type === "change").map((message) => message["change"]);
  assert.ok(seen.includes("create"), JSON.stringify(watch.messages));
  watch.close();
  const missing = await StreamClient.open(server, `/v1/capsules/${id}/files/watch?path=/nope`);
  assert.match(String((await missing.next("error", 10))["data"]), /no such file/);
});

test("what cannot be done is refused with its own code", async () => {
  for (const path of ["/", "//", "/etc/..", "/root/../"])
    await refused(call("remove", { path }), 400, "path_invalid");
  assert.equal((await server.shell(id, "ls /etc/passwd /usr/bin/env")).exit_code, 0);
  await refused(call("list", { path: "/nope" }), 404, "path_not_found");
  await refused(call("list", { path: "/etc/passwd" }), 400, "not_a_directory");
  await refused(call("stat", { path: "/etc/\0x" }), 400, "path_invalid");
  await refused(call("stat", { path: `/${"x/".repeat(2100)}` }), 400, "path_invalid");
  await refused(call("read", { path: "/etc" }), 400, "is_a_directory");
  await refused(call("read", { path: "/nope" }), 404, "path_not_found");
  await refused(call("list", {}), 400, "invalid_field");
  assert.equal((await get("/etc")).status, 400);
  const full = await put("/dev/full/x", "x");
  assert.equal(full.status, 400);
});
