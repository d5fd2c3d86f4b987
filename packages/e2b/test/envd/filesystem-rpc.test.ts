import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile, chmod, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { typeAt } from "../../src/envd/filesystem/network-mounts.ts";
import { EnvdLab, TOKEN } from "./support/envd-lab.ts";
import { callJson, frame, messagesOf, post, streamJson } from "./support/wire.ts";

const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());
const at = (...names: readonly string[]): string => join(lab.directory, ...names);

interface Entry {
  readonly name: string;
  readonly type?: string;
  readonly path: string;
  readonly size?: string;
  readonly mode?: number;
  readonly permissions: string;
  readonly symlinkTarget?: string;
  readonly metadata?: object;
}

async function call(
  method: string,
  message: object,
): Promise<{ status: number; code?: string; entry?: Entry; entries?: Entry[] }> {
  const { status, body } = await callJson(lab, `filesystem.Filesystem/${method}`, message);
  return { status, ...(body as object) };
}

test("Stat describes files, directories and what links lead to", async () => {
  await mkdir(at("kinds/sub"), { recursive: true });
  await writeFile(at("kinds/file"), "12345");
  await chmod(at("kinds/file"), 0o640);
  await symlink("file", at("kinds/first"));
  await symlink("first", at("kinds/second"));
  await symlink("sub", at("kinds/to-sub"));
  await symlink("nowhere", at("kinds/broken"));
  const { status, entry } = await call("Stat", { path: at("kinds/file") });
  assert.equal(status, 200);
  const { modifiedTime, ...rest } = entry as Entry & { modifiedTime: string };
  assert.match(modifiedTime, /^20\d\d-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(rest, {
    name: "file",
    type: "FILE_TYPE_FILE",
    path: at("kinds/file"),
    size: "5",
    mode: 0o640,
    permissions: "-rw-r-----",
    owner: "root",
    group: "root",
  });
  const second = (await call("Stat", { path: at("kinds/second") })).entry;
  assert.deepEqual(
    [second?.name, second?.type, second?.mode, second?.symlinkTarget],
    ["second", "FILE_TYPE_FILE", 0o640, at("kinds/file")],
  );
  const directory = (await call("Stat", { path: at("kinds/to-sub") })).entry;
  assert.deepEqual([directory?.type, directory?.symlinkTarget], ["FILE_TYPE_DIRECTORY", at("kinds/sub")]);
  const broken = (await call("Stat", { path: at("kinds/broken") })).entry;
  assert.deepEqual([broken?.type, broken?.path], [undefined, at("kinds/broken")]);
  const missing = await call("Stat", { path: at("kinds/missing") });
  assert.deepEqual([missing.status, missing.code], [404, "not_found"]);
  // An empty path is the default directory, other relative ones begin at the user's home.
  assert.equal((await call("Stat", { path: "" })).entry?.path, lab.directory);
  assert.equal((await call("Stat", { path: "~" })).entry?.path, "/root");
  await lab.client().files.write("at-home", "");
  for (const [asked, path] of [
    [".", "/root"],
    ["~/", "/root"],
    ["./at-home", "/root/at-home"],
    ["~/.config/../at-home", "/root/at-home"],
    [`${lab.directory}//kinds/./sub/../file`, at("kinds/file")],
    [`${lab.directory}/kinds/sub/`, at("kinds/sub")],
  ] as const)
    assert.equal((await call("Stat", { path: asked })).entry?.path, path, asked);
});

test("ListDir goes down before it goes on, by name, to the depth asked for, with the path as it was asked for", async () => {
  await mkdir(at("tree/b/deep/er"), { recursive: true });
  for (const file of ["a", "b/x", "b/deep/er/y", "c"]) await writeFile(at("tree", file), file);
  await symlink("tree", at("to-tree"));
  const list = async (path: string, depth?: number): Promise<string[]> =>
    ((await call("ListDir", { path, ...(depth === undefined ? {} : { depth }) })).entries ?? []).map(
      (entry) => entry.path,
    );
  const below = (root: string, names: readonly string[]): string[] => names.map((name) => at(root, name));
  assert.deepEqual(await list(at("tree")), below("tree", ["a", "b", "c"]));
  assert.deepEqual(await list(at("tree"), 2), below("tree", ["a", "b", "b/deep", "b/x", "c"]));
  assert.deepEqual(
    await list(at("to-tree"), 9),
    below("to-tree", ["a", "b", "b/deep", "b/deep/er", "b/deep/er/y", "b/x", "c"]),
  );
  const file = await call("ListDir", { path: at("tree/a") });
  assert.deepEqual([file.status, file.code], [400, "invalid_argument"]);
  assert.equal((await call("ListDir", { path: at("none") })).code, "not_found");
});

test("metadata of files is part of entries, alone and in lists", async () => {
  await mkdir(at("described"));
  await lab.client().files.write(at("described/file"), "x", { metadata: { project: "wrenn" } });
  await writeFile(at("described/plain"), "x");
  assert.deepEqual((await call("Stat", { path: at("described/file") })).entry?.metadata, {
    project: "wrenn",
  });
  const { entries } = await call("ListDir", { path: at("described") });
  assert.deepEqual(
    entries?.map(({ metadata }) => metadata),
    [{ project: "wrenn" }, undefined],
  );
});

test("MakeDir makes parents and refuses what is there, by what it is", async () => {
  const made = await call("MakeDir", { path: at("new/with/parents") });
  assert.deepEqual([made.status, made.entry?.type], [200, "FILE_TYPE_DIRECTORY"]);
  const again = await call("MakeDir", { path: at("new/with/parents") });
  assert.deepEqual([again.status, again.code], [409, "already_exists"]);
  await writeFile(at("new/file"), "");
  const file = await call("MakeDir", { path: at("new/file") });
  assert.deepEqual([file.status, file.code], [400, "invalid_argument"]);
});

test("Move makes parents and takes the place of a file; Remove is recursive, and of nothing succeeds", async () => {
  await writeFile(at("moving"), "new");
  await mkdir(at("there"));
  await writeFile(at("there/old"), "old");
  const moved = await call("Move", { source: at("moving"), destination: at("there/old") });
  assert.deepEqual([moved.status, moved.entry?.size], [200, "3"]);
  assert.equal((await call("Move", { source: at("moving"), destination: at("x") })).code, "not_found");
  const further = await call("Move", { source: at("there/old"), destination: at("some/where/new") });
  assert.equal(further.entry?.path, at("some/where/new"));
  assert.equal((await call("Remove", { path: at("some") })).status, 200);
  assert.equal((await call("Remove", { path: at("some") })).status, 200);
  assert.equal((await call("Stat", { path: at("some") })).code, "not_found");
});

interface WatchEvent {
  readonly start?: object;
  readonly keepalive?: object;
  readonly filesystem?: { readonly name: string; readonly type: string; readonly entry?: Entry };
}

test("a recursive watch reports directories that appear later, with entries when they are asked for", async () => {
  await mkdir(at("watched"));
  const sent = request(`${lab.url}/filesystem.Filesystem/WatchDir`, {
    method: "POST",
    agent: false,
    headers: {
      "x-access-token": TOKEN,
      "content-type": "application/connect+json",
      "keepalive-ping-interval": "0.3",
    },
  });
  sent.on("error", () => undefined);
  sent.end(frame(JSON.stringify({ path: at("watched"), recursive: true, includeEntry: true })));
  const [response] = (await once(sent, "response")) as [NodeJS.ReadableStream];
  response.on("error", () => undefined);
  let received = Buffer.alloc(0);
  response.on("data", (part: Buffer) => (received = Buffer.concat([received, part])));
  const events = (): WatchEvent[] => messagesOf(received) as WatchEvent[];
  const seen = (name: string, type: string): WatchEvent["filesystem"] =>
    events().find(({ filesystem }) => filesystem?.name === name && filesystem.type === type)?.filesystem;
  await eventually("the watch has started", async () => events().length > 0);
  assert.deepEqual(events()[0], { start: {} });

  await mkdir(at("watched/later/deep"), { recursive: true });
  await eventually("the new directory is seen", async () => seen("later/deep", "EVENT_TYPE_CREATE"));
  await writeFile(at("watched/later/deep/file"), "12");
  await eventually("a file in it is seen", async () => seen("later/deep/file", "EVENT_TYPE_CREATE"));
  const path = at("watched/later/deep/file");
  assert.equal(seen("later/deep/file", "EVENT_TYPE_CREATE")?.entry?.path, path);
  await appendFile(path, "34");
  await chmod(path, 0o600);
  await eventually("chmod is seen", async () => seen("later/deep/file", "EVENT_TYPE_CHMOD"));
  assert.equal(seen("later/deep/file", "EVENT_TYPE_CHMOD")?.entry?.mode, 0o600);
  assert.ok(seen("later/deep/file", "EVENT_TYPE_WRITE"));
  await rename(path, at("watched/renamed"));
  await eventually("the old name has gone", async () => seen("later/deep/file", "EVENT_TYPE_RENAME"));
  await eventually("the new name is there", async () => seen("renamed", "EVENT_TYPE_CREATE"));
  await rm(at("watched/renamed"));
  await eventually("it is removed", async () => seen("renamed", "EVENT_TYPE_REMOVE"));
  assert.equal(seen("renamed", "EVENT_TYPE_REMOVE")?.entry, undefined);
  await eventually("silence is filled", async () => events().some(({ keepalive }) => keepalive));
  sent.destroy();
});

test("files and missing paths are not watched", async () => {
  await writeFile(at("not-a-directory"), "");
  const watch = async (path: string): Promise<unknown> =>
    await streamJson(lab, "filesystem.Filesystem/WatchDir", { path });
  const code = (messages: unknown): unknown => (messages as { error?: { code: string } }[])[0]?.error?.code;
  assert.equal(code(await watch(at("not-a-directory"))), "invalid_argument");
  assert.equal(code(await watch(at("missing"))), "not_found");
});

test("a network mount is watched with the flag only, as a stream and polled", async (t) => {
  await mkdir(at("shared"));
  const read = lab.sandbox.files.read.bind(lab.sandbox.files);
  t.mock.method(lab.sandbox.files, "read", async (...asked: Parameters<typeof read>) =>
    asked[0] === "/proc/mounts"
      ? { bytes: [Buffer.from(`server:/a ${at("shared")} nfs4 rw 0 0\n`)] }
      : await read(...asked),
  );
  const refused = await streamJson(lab, "filesystem.Filesystem/WatchDir", { path: at("shared") });
  assert.equal((refused as { error: { code: string } }[])[0]?.error.code, "invalid_argument");
  const created = await call("CreateWatcher", { path: at("shared") });
  assert.deepEqual([created.status, created.code], [400, "invalid_argument"]);
  assert.equal((await call("CreateWatcher", { path: at("shared"), allowNetworkMounts: true })).status, 200);
});

test("lists show links by what they lead to, and those that lead nowhere without a type", async () => {
  await mkdir(at("links/directory"), { recursive: true });
  await writeFile(at("links/file"), "12345");
  await chmod(at("links/file"), 0o604);
  for (const [target, name] of [
    ["file", "to-file"],
    ["directory", "to-directory"],
    ["nowhere", "to-nothing"],
    ["to-loop", "to-loop"],
  ] as const)
    await symlink(target, at("links", name));
  await symlink("links", at("to-links"));
  const { entries = [] } = await call("ListDir", { path: at("to-links") });
  assert.deepEqual(
    entries.map(({ path, type, mode, size, symlinkTarget }) => [path, type, mode, size, symlinkTarget]),
    [
      [at("to-links/directory"), "FILE_TYPE_DIRECTORY", 0o755, entries[0]?.size, undefined],
      [at("to-links/file"), "FILE_TYPE_FILE", 0o604, "5", undefined],
      [at("to-links/to-directory"), "FILE_TYPE_DIRECTORY", 0o755, entries[0]?.size, at("links/directory")],
      [at("to-links/to-file"), "FILE_TYPE_FILE", 0o604, "5", at("links/file")],
      [at("to-links/to-loop"), undefined, 0o777, entries[4]?.size, "to-loop"],
      [at("to-links/to-nothing"), undefined, 0o777, entries[5]?.size, "nowhere"],
    ],
  );
});

test("the file system of a path is that of the longest mount point above it, and of the last mount there", () => {
  const mounts = [
    "rootfs / ext4 rw 0 0",
    "server:/a /mnt nfs4 rw 0 0",
    "tmpfs /mnt/in\\040side tmpfs rw 0 0",
    "//share /data cifs rw 0 0",
    "tmpfs /data tmpfs rw 0 0",
    "",
  ].join("\n");
  assert.deepEqual(
    ["/home", "/mnt", "/mnt/x", "/mnt/in side/y", "/mnty", "/data/z"].map((path) => typeAt(path, mounts)),
    ["ext4", "nfs4", "nfs4", "tmpfs", "ext4", "tmpfs"],
  );
});

test("a watcher that is asked gives each change once, until it is removed", async () => {
  await mkdir(at("polled/sub"), { recursive: true });
  const made = await callJson(lab, "filesystem.Filesystem/CreateWatcher", { path: at("polled") });
  const { watcherId } = made.body as { watcherId: string };
  const names = async (): Promise<string[]> => {
    const { status, body } = await callJson(lab, "filesystem.Filesystem/GetWatcherEvents", { watcherId });
    assert.equal(status, 200);
    const { events = [] } = body as { events?: { name: string; type: string }[] };
    return events.map(({ name, type }) => `${type} ${name}`);
  };
  assert.deepEqual(await names(), []);
  await writeFile(at("polled/sub/below"), "");
  await writeFile(at("polled/here"), "");
  const all: string[] = [];
  await eventually("the change is there", async () => {
    all.push(...(await names()));
    return all.includes("EVENT_TYPE_CREATE here");
  });
  assert.equal(all.filter((event) => event === "EVENT_TYPE_CREATE here").length, 1);
  // Not recursive.
  assert.deepEqual(
    all.filter((event) => event.includes("below")),
    [],
  );
  // Events of an upload are there when it is answered, as E2B's agent reports them.
  const upload = async (name: string): Promise<string[]> => {
    const headers = { "content-type": "application/octet-stream" };
    await post(lab, `/files?path=${at(`polled/${name}`)}`, name, { headers });
    return await names();
  };
  const events = (name: string, ...types: string[]): string[] =>
    types.map((type) => `EVENT_TYPE_${type} ${name}`);
  assert.deepEqual(await upload("uploaded"), events("uploaded", "CREATE", "CHMOD", "WRITE"));
  assert.deepEqual(await upload("uploaded"), events("uploaded", "CHMOD", "WRITE"));
  assert.deepEqual(await upload("sub/other"), []);
  const removed = await callJson(lab, "filesystem.Filesystem/RemoveWatcher", { watcherId });
  assert.deepEqual([removed.status, removed.body], [200, {}]);
  for (const method of ["GetWatcherEvents", "RemoveWatcher"])
    assert.equal((await callJson(lab, `filesystem.Filesystem/${method}`, { watcherId })).status, 404);
});

test("a directory of / that is missing is made for the user, and what exists keeps its rights", async () => {
  const top = `/wrenn-e2b-${process.pid}`;
  const asNobody = { authorization: `Basic ${Buffer.from("nobody:").toString("base64")}` };
  const make = async (path: string): Promise<unknown> => {
    const { status, body } = await callJson(lab, "filesystem.Filesystem/MakeDir", { path }, asNobody);
    const { code, entry } = body as { code?: string; entry?: { owner: string; permissions: string } };
    return [status, code ?? [entry?.owner, entry?.permissions]];
  };
  try {
    assert.deepEqual(await make(top), [200, ["nobody", "drwxr-xr-x"]]);
    assert.deepEqual(await make(top), [409, "already_exists"]);
    assert.deepEqual(await make(`${top}/a/b`), [200, ["nobody", "drwxr-xr-x"]]);
    await rm(top, { recursive: true });
    // The same by a call for something below it, by an upload and by a move.
    assert.deepEqual(await make(`${top}/a`), [200, ["nobody", "drwxr-xr-x"]]);
    await rm(top, { recursive: true });
    const uploaded = await lab.fetch(
      `/files?${new URLSearchParams({ path: `${top}/b/file`, username: "nobody" }).toString()}`,
      {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: "text",
      },
    );
    assert.equal(uploaded.status, 200);
    assert.equal((await call("Stat", { path: `${top}/b/file` })).entry?.permissions, "-rw-r--r--");
    // A file of / itself, directories that every system has and a user that does not exist get no more than before.
    assert.deepEqual(await make("/etc/wrenn-e2b"), [403, "permission_denied"]);
    await mkdir(`${top}-of-root`);
    assert.deepEqual(await make(`${top}-of-root/a`), [403, "permission_denied"]);
  } finally {
    await rm(top, { recursive: true, force: true });
    await rm(`${top}-of-root`, { recursive: true, force: true });
  }
  const unknown = { authorization: `Basic ${Buffer.from("no-such-user:").toString("base64")}` };
  const refused = await callJson(lab, "filesystem.Filesystem/MakeDir", { path: top }, unknown);
  assert.equal(refused.status, 401);
  assert.equal((await call("Stat", { path: top })).status, 404);
});
