import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import type { FileChange } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(240_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-watches-");
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function directory(name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  return path;
}

const told = (change: FileChange): string => {
  if (change.type === "overflow") return "overflow";
  if (change.type === "unwatched") return `unwatched ${change.path} ${change.reason}`;
  const kind = change.directory ? "/" : "";
  return `${change.type} ${change.oldPath === undefined ? "" : `${change.oldPath} -> `}${change.path}${kind}`;
};

/** Changes of a watch that a test looks at more than once. */
class Seen {
  readonly #changes: AsyncIterator<FileChange, unknown>;

  constructor(changes: AsyncIterable<FileChange>) {
    this.#changes = changes[Symbol.asyncIterator]();
  }

  /** Changes up to the first one that `last` holds for, or that is told in these words. */
  async until(last: string | ((change: FileChange) => boolean)): Promise<FileChange[]> {
    const seen: FileChange[] = [];
    for (;;) {
      const { done, value } = await this.#changes.next();
      assert.ok(done !== true, `the watch ended after ${seen.map(told).join(", ")}`);
      seen.push(value);
      if (typeof last === "string" ? told(value) === last : last(value)) return seen;
    }
  }

  async rest(): Promise<string[]> {
    const rest: string[] = [];
    for (;;) {
      const { done, value } = await this.#changes.next();
      if (done === true) return rest;
      rest.push(told(value));
    }
  }
}

async function watched(path: string, options: { readonly recursive: boolean }): Promise<Seen> {
  return new Seen(await link.files.watch(path, { signal, ...options }));
}

/** Reads changes up to the one that the test makes last. */
async function until(changes: AsyncIterable<FileChange>, last: string): Promise<FileChange[]> {
  return await new Seen(changes).until(last);
}

test("changes come in order, with offsets that grow, from new directories too", async () => {
  const path = await directory("tree");
  const changes = await link.files.watch(path, { signal, recursive: true });
  await writeFile(join(path, "a"), "1");
  await chmod(join(path, "a"), 0o600);
  await rename(join(path, "a"), join(path, "b"));
  await rm(join(path, "b"));
  await mkdir(join(path, "sub"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writeFile(join(path, "sub", "in"), "2");
  await rename(join(path, "sub"), join(path, "moved"));
  await appendFile(join(path, "moved", "in"), "3");
  await writeFile(join(path, "last"), "");
  const seen = await until(changes, "create last");
  assert.deepEqual(seen.map(told), [
    "create a",
    "write a",
    "chmod a",
    "rename a -> b",
    "remove b",
    "create sub/",
    "create sub/in",
    "write sub/in",
    "rename sub -> moved/",
    "write moved/in",
    "create last",
  ]);
  for (const [index, change] of seen.entries())
    assert.ok(index === 0 || change.offset > (seen[index - 1]?.offset ?? 0));
});

test("a tree that appears at once is told as a whole", async () => {
  const path = await directory("appearing");
  const outside = await directory("outside");
  await mkdir(join(outside, "x/y"), { recursive: true });
  await writeFile(join(outside, "x/y/z"), "");
  const changes = await link.files.watch(path, { signal, recursive: true });
  await rename(join(outside, "x"), join(path, "x"));
  const seen = (await until(changes, "create x/y/z")).map(told);
  assert.deepEqual(seen, ["create x/", "create x/y/", "create x/y/z"]);
});

test("without recursion nothing below is told; a file can be watched too", async () => {
  const path = await directory("flat");
  await mkdir(join(path, "sub"));
  await writeFile(join(path, "file"), "");
  const flat = await link.files.watch(path, { signal, recursive: false });
  const one = await link.files.watch(join(path, "file"), { signal, recursive: false });
  await writeFile(join(path, "sub", "hidden"), "");
  await appendFile(join(path, "file"), "more");
  assert.deepEqual((await until(flat, "write file")).map(told), ["write file"]);
  assert.deepEqual((await until(one, "write ")).map(told), ["write "]);
});

test("changes that nobody takes are lost and said to be lost, in bounded memory", async () => {
  const path = await directory("busy");
  const changes = await link.files.watch(path, { signal, recursive: false });
  const name = (index: number): string => `${index}`.padStart(200, "x");
  for (let index = 0; index < 3000; index++) await writeFile(join(path, name(index)), "");
  const kinds = new Set<string>();
  let count = 0;
  const reading = (async () => {
    for await (const change of changes) {
      kinds.add(change.type);
      count++;
      if ("path" in change && change.path === "last") return;
    }
  })();
  // Once there is room again, later changes are told.
  for (let attempt = 0; attempt < 200; attempt++) {
    await writeFile(join(path, "last"), "");
    const done = await Promise.race([reading.then(() => true), new Promise((r) => setTimeout(r, 20, false))]);
    if (done === true) break;
  }
  await reading;
  assert.ok(kinds.has("overflow"));
  assert.ok(count < 3000, `${count} of 3000 changes were kept somewhere`);
});

test("a watch ends when what it watches goes away, and refuses what is not there", async () => {
  const path = join(root, "going");
  const ways = [
    async () => await rm(path, { recursive: true }),
    async () => await rename(path, join(root, "gone")),
  ];
  for (const leave of ways) {
    await directory("going");
    const changes = await link.files.watch(path, { signal, recursive: true });
    await leave();
    const seen: string[] = [];
    for await (const change of changes) seen.push(told(change));
    assert.equal(seen.at(-1), "remove /");
  }
  await assert.rejects(link.files.watch(path, { signal, recursive: true }), (error) =>
    WrennError.is(error, "path_not_found"),
  );
});

test("a watch of a file goes on when another file takes its place, and when it is removed and made again", async () => {
  const path = await directory("replaced");
  const file = join(path, "conf");
  await writeFile(file, "1");
  const changes = await watched(file, { recursive: false });
  const ways: Readonly<Record<string, () => Promise<void>>> = {
    "a rename": async () => {
      await writeFile(join(path, "conf.tmp"), "2");
      await rename(join(path, "conf.tmp"), file);
    },
    "an editor that keeps a backup": async () => {
      await rename(file, join(path, "conf~"));
      await writeFile(file, "3");
      await rm(join(path, "conf~"));
    },
    "an upload": async () => {
      await link.files.write(file, Readable.from([Buffer.from("4")]), { signal, mode: 0o644 });
    },
  };
  for (const [name, replace] of Object.entries(ways)) {
    await replace();
    assert.deepEqual((await changes.until("write ")).map(told), ["write "], name);
  }
  await appendFile(file, "5");
  await changes.until("write ");
  await chmod(file, 0o600);
  await changes.until("chmod ");
  await rm(file);
  await changes.until("remove ");
  await mkdir(join(path, "other"));
  await writeFile(file, "6");
  assert.equal((await changes.until("create ")).length, 1);
  await appendFile(file, "7");
  await changes.until("write ");
  await rm(path, { recursive: true });
  assert.equal((await changes.rest()).at(-1), "remove ");
});

test("a watch of a link follows what it leads to, and another link in its place", async () => {
  const path = await directory("links");
  await mkdir(join(path, "v1"));
  await mkdir(join(path, "v2"));
  await writeFile(join(path, "v1/conf"), "1");
  await writeFile(join(path, "v2/conf"), "2");
  // As Kubernetes mounts configuration: the directory is a link that is replaced.
  await symlink("v1", join(path, "data"));
  await symlink("data/conf", join(path, "conf"));
  const changes = await watched(join(path, "conf"), { recursive: false });
  await appendFile(join(path, "v1/conf"), "1");
  await changes.until("write ");
  await writeFile(join(path, "v1/new"), "1");
  await rename(join(path, "v1/new"), join(path, "v1/conf"));
  await changes.until("write ");
  await symlink("v2", join(path, "new"));
  await rename(join(path, "new"), join(path, "data"));
  await changes.until("write ");
  await appendFile(join(path, "v2/conf"), "2");
  await changes.until("write ");
});

test("renames are told as renames, out of the tree as removals and into it as creations", async () => {
  const path = await directory("renames");
  const outside = await directory("elsewhere");
  await mkdir(join(path, "sub"));
  for (let n = 0; n < 40; n++) await writeFile(join(path, `f${n}`), "");
  for (let n = 0; n < 12; n++) await mkdir(join(path, `d${n}`));
  const changes = await watched(path, { recursive: true });
  const expected: string[] = [];
  for (let n = 0; n < 40; n++) {
    await rename(join(path, `f${n}`), join(path, n % 2 ? `r${n}` : `sub/r${n}`));
    expected.push(`rename f${n} -> ${n % 2 ? `r${n}` : `sub/r${n}`}`);
  }
  for (let n = 0; n < 12; n++) {
    await rename(join(path, `d${n}`), join(path, `e${n}`));
    await writeFile(join(path, `e${n}/in`), "");
    expected.push(`rename d${n} -> e${n}/`, `create e${n}/in`);
  }
  await rename(join(path, "r1"), join(outside, "r1"));
  await rename(join(outside, "r1"), join(path, "back"));
  await rename(join(path, "e1"), join(outside, "e1"));
  await writeFile(join(path, "last"), "");
  expected.push("remove r1", "create back", "remove e1/", "create last");
  // What left the tree is known to have left it a moment later than what follows.
  const seen: string[] = [];
  const isComplete = (change: FileChange): boolean => seen.push(told(change)) === expected.length;
  await changes.until(isComplete);
  assert.deepEqual(seen.toSorted(), expected.toSorted());
  await writeFile(join(outside, "e1/unseen"), "");
  await writeFile(join(path, "later"), "");
  assert.deepEqual((await changes.until("create later")).map(told), ["create later"]);
});

test("directories for which no watch is left are named, also those that appear later", async () => {
  const path = await directory("many");
  for (let n = 0; n < 90; n++) await mkdir(join(path, `d${n}`));
  const program = join(import.meta.dirname, "support/few_watches.py");
  await using few = await NativeAgent.start(undefined, ["python3", program, "60"]);
  const linkToFew = await few.connect();
  const changes = new Seen(await linkToFew.files.watch(path, { signal, recursive: true }));
  // Told at once, before anything changes.
  const blind = new Set<string>();
  const seen = await changes.until((change) => {
    if (change.type === "unwatched" && change.reason === "limit") blind.add(change.path);
    return blind.size === 31;
  });
  assert.ok(
    seen.some(({ type }) => type === "overflow"),
    "clients that do not know the message are told of a loss",
  );
  await mkdir(join(path, "late"));
  await changes.until("unwatched late limit");
  await assert.rejects(linkToFew.files.watch(path, { signal, recursive: false }), (error) =>
    WrennError.is(error, "guest_busy"),
  );
  await linkToFew.detach();
});

test("directories that the user may not read are named, and watched once they can be read", async () => {
  const path = await directory("readable");
  await chmod(root, 0o755);
  await mkdir(join(path, "closed"), { mode: 0o700 });
  const changes = new Seen(await link.files.watch(path, { signal, recursive: true, user: "nobody" }));
  assert.deepEqual((await changes.until("unwatched closed permission")).map(told), [
    "unwatched closed permission",
  ]);
  await writeFile(join(path, "closed/unseen"), "");
  await chmod(join(path, "closed"), 0o755);
  await writeFile(join(path, "closed/seen"), "");
  assert.deepEqual((await changes.until("create closed/seen")).map(told).slice(0, 1), ["chmod closed/"]);
});

test("each of 60,000 directories is watched", async () => {
  const path = await directory("large");
  for (let n = 0; n < 240; n++) {
    mkdirSync(join(path, `d${n}`));
    for (let m = 0; m < 250; m++) mkdirSync(join(path, `d${n}/e${m}`));
  }
  const changes = await watched(path, { recursive: true });
  const places = [...Array(50).keys()].map(
    () => `d${Math.floor(Math.random() * 240)}/e${Math.floor(Math.random() * 250)}`,
  );
  for (const place of new Set(places)) {
    await writeFile(join(path, place, "f"), "1");
    const seen = (await changes.until(`write ${place}/f`)).map(told);
    assert.deepEqual(seen, [`create ${place}/f`, `write ${place}/f`]);
  }
});

test("an upload is reported as one change of its target, without temporary names", async () => {
  const path = await directory("uploads");
  await mkdir(join(path, "sub"));
  const changes = await link.files.watch(path, { signal, recursive: true });
  const content = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("uploaded ");
    yield Buffer.from("content");
  };
  for (const name of ["new", "new", "sub/new"])
    await link.files.write(join(path, name), content(), { signal, mode: 0o666 });
  await writeFile(join(path, "last"), "");
  assert.deepEqual((await until(changes, "create last")).map(told), [
    "create new",
    "write new",
    "create sub/new",
    "create last",
  ]);
});

test("trees that are made under a temporary name appear under their own", async () => {
  const path = await directory("trees");
  const temporary = (kind: string): string => join(path, `.wrenn-${kind}-0123456789abcdef`);
  await mkdir(temporary("old"));
  const changes = await link.files.watch(path, { signal, recursive: true });
  await mkdir(temporary("copy"));
  await writeFile(join(temporary("copy"), "file"), "");
  await chmod(temporary("copy"), 0o700);
  await rename(temporary("copy"), join(path, "copied"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writeFile(join(path, "copied/later"), "");
  await rm(temporary("old"), { recursive: true });
  await writeFile(join(path, ".wrenn-mine"), "");
  assert.deepEqual((await until(changes, "create .wrenn-mine")).map(told), [
    "create copied/",
    "create copied/file",
    "create copied/later",
    "create .wrenn-mine",
  ]);
  await mkdir(temporary("copy"));
  const listed = await link.files.list(path, 2, { signal });
  assert.deepEqual(
    listed.map(({ name }) => name),
    [".wrenn-mine", "copied", "file", "later"],
  );
  const tar = gunzipSync(Buffer.concat(await Array.fromAsync(await link.files.archive(path, { signal }))));
  assert.ok(tar.includes("copied/later") && tar.includes(".wrenn-mine") && !tar.includes(".wrenn-copy"));
});
