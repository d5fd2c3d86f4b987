import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { NativeAgent } from "./support/native-agent.ts";

/* Copies, moves, removals and mode changes of trees, by the real agent. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-trees-");
const other = await mkdtemp("/dev/shm/wrenn-trees-");
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
  await rm(other, { recursive: true, force: true });
});

const { files } = guestLink;
const at = (...names: readonly string[]): string => join(root, ...names);
const run = promisify(execFile);
/** Runs shell commands in the test's directory. */
const shell = async (commands: string): Promise<string> =>
  (await run("sh", ["-euc", commands], { cwd: root })).stdout.trim();
const copy = async (from: string, to: string, given: AbortSignal = signal) =>
  await files.copy(from, to, { signal: given, overwrite: true, recursive: true });
const move = async (from: string, to: string) => await files.move(from, to, { signal, overwrite: true });

async function refuses(work: Promise<unknown>, reason: ErrorReason, naming = ""): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof WrennError, String(error));
    assert.deepEqual([error.reason, error.entry.code !== "agent_error"], [reason, true], error.message);
    assert.ok(error.message.includes(naming), error.message);
    return true;
  });
}

/** A file system of one megabyte. */
async function smallDisk(t: { readonly after: (work: () => Promise<unknown>) => void }): Promise<string> {
  const disk = await mkdtemp(at("disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "none", disk]);
  t.after(() => run("umount", [disk]));
  return disk;
}

test("copies and moves onto FIFOs, devices and sockets are refused at once and change nothing", async (t) => {
  await shell(
    "echo content >file; mkdir tree; echo content >tree/name; mkfifo fifo; mknod device c 1 3; chmod 666 device",
  );
  const server = createServer().listen(at("socket"));
  t.after(() => server.close());
  await eventually("the socket is there", async () => (await readdir(root)).includes("socket"));
  const before = await shell("stat -c '%n %F %a %t %T' fifo device socket");
  for (const name of ["fifo", "device", "socket"]) {
    await mkdir(at(`with-${name}`));
    await shell(`cp -a ${name} with-${name}/name`);
    for (let i = 0; i < 3; i++) await refuses(copy(at("file"), at(name)), "not_a_file", at(name));
    await refuses(copy(at("tree"), at(`with-${name}`)), "not_a_file", at(`with-${name}`, "name"));
    await refuses(move(at("file"), at(name)), "not_a_file", at(name));
    await writeFile(join(other, "file"), "elsewhere");
    await refuses(move(join(other, "file"), at(name)), "not_a_file", at(name));
  }
  assert.equal(await shell("stat -c '%n %F %a %t %T' fifo device socket"), before);
  assert.equal(await readFile(join(other, "file"), "utf8"), "elsewhere");
});

test("FIFOs, devices and sockets inside a tree are copied and moved as such, and no open waits for a partner", async () => {
  await shell("mkdir special; mkfifo -m 640 special/fifo; mknod special/null c 1 3; echo x >special/file");
  await copy(at("special"), at("special-copy"));
  await move(at("special"), join(other, "special"));
  const facts = "for f in fifo null file; do stat -c '%F %a %t:%T' $f; done";
  const expected = "fifo 640 0:0\ncharacter special file 644 1:3\nregular file 644 0:0";
  assert.equal(await shell(`cd special-copy; ${facts}`), expected);
  assert.equal(await shell(`cd ${join(other, "special")}; ${facts}`), expected);
  await copy(at("special-copy/fifo"), at("one-fifo"));
  assert.ok((await stat(at("one-fifo"))).isFIFO());
});

test("a copy that runs out of room leaves the old file, and nothing where there was nothing", async (t) => {
  const disk = await smallDisk(t);
  await writeFile(join(disk, "precious"), "precious");
  await shell(
    "head -c 3000000 /dev/urandom >large; mkdir -p larger/a; cp large larger/a; echo 1 >larger/small",
  );
  await mkdir(join(disk, "there/larger"), { recursive: true });
  await writeFile(join(disk, "there/small"), "old");
  const before = await readdir(disk, { recursive: true });
  for (const work of [copy, move]) {
    await refuses(work(at("large"), join(disk, "precious")), "disk_full_in_capsule");
    await refuses(work(at("large"), join(disk, "new/parents/large")), "disk_full_in_capsule");
    await refuses(work(at("larger"), join(disk, "new")), "disk_full_in_capsule");
  }
  await refuses(copy(at("larger"), join(disk, "there/larger")), "disk_full_in_capsule");
  assert.deepEqual((await readdir(disk, { recursive: true })).toSorted(), before.toSorted());
  assert.equal(await readFile(join(disk, "precious"), "utf8"), "precious");
  assert.deepEqual(
    [await stat(at("large")).then(({ size }) => size), await shell("ls larger")],
    [3_000_000, "a\nsmall"],
  );
});

test("a copy keeps set-user-id and set-group-id only for the owner and group that they were given for", async () => {
  await shell(
    "cp /bin/true theirs; chown 1234:1234 theirs; chmod 6755 theirs; cp /bin/true own; chmod 6755 own;" +
      "mkdir -m 3775 their-directory; chown 1234:1234 their-directory; chmod 3775 their-directory; cp -p theirs their-directory",
  );
  await copy(at("theirs"), at("their-copy"));
  await copy(at("own"), at("own-copy"));
  await copy(at("their-directory"), at("directory-copy"));
  assert.equal(
    await shell("stat -c '%a %u:%g' their-copy own-copy directory-copy directory-copy/theirs"),
    "6755 1234:1234\n6755 0:0\n3775 1234:1234\n6755 1234:1234",
  );
  await move(at("their-directory"), join(other, "their-directory"));
  assert.equal(
    await shell(`cd ${other}; stat -c '%a %u:%g' their-directory their-directory/theirs`),
    "3775 1234:1234\n6755 1234:1234",
  );
  await shell("touch replaced; chown 77:77 replaced");
  await copy(at("own"), at("replaced"));
  assert.equal(await shell("stat -c '%a %u:%g' replaced"), "6755 0:0");
});

test("a move to another file system keeps owners, times, attributes, hard links and holes", async () => {
  await shell(
    "mkdir -p kept/sub; truncate -s 40M kept/holes; echo end >>kept/holes; echo x >kept/one; ln kept/one kept/sub/two; ln -s nowhere kept/link;" +
      "chown -h 1001:1002 kept/link kept/one kept/sub; chmod 2750 kept/sub; touch -h -d @1000000000 kept/* kept",
  );
  await run("python3", [
    "-c",
    `import os; os.setxattr(${JSON.stringify(at("kept/one"))}, "user.note", b"kept")`,
  ]);
  const facts =
    "find . -printf '%P %y %m %U:%G %n %s %T@ %l\\n' | sed 's/\\( d .*\\) [0-9]* \\([0-9.]*\\) $/\\1 \\2/' | sort";
  const before = await shell(`cd kept; ${facts}`);
  await move(at("kept"), join(other, "kept"));
  assert.equal(await shell(`cd ${other}/kept; ${facts}`), before);
  assert.equal((await lstat(join(other, "kept/one"))).ino, (await lstat(join(other, "kept/sub/two"))).ino);
  assert.ok((await stat(join(other, "kept/holes"))).blocks < 1000);
  const read = `import os; print(os.getxattr(${JSON.stringify(join(other, "kept/one"))}, "user.note").decode())`;
  assert.equal((await run("python3", ["-c", read])).stdout, "kept\n");
  await assert.rejects(stat(at("kept")));
});

test("a terabyte of holes is copied in no time and takes no room", async () => {
  await shell("truncate -s 1T huge");
  await copy(at("huge"), at("huge-copy"));
  const { size, blocks } = await stat(at("huge-copy"));
  assert.deepEqual([size, blocks], [2 ** 40, 0]);
});

test("files of /proc and /sys are copied with what they hold, not with the size they claim", async () => {
  for (const path of ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"]) {
    await copy(path, at("pseudo"));
    assert.equal(await readFile(at("pseudo"), "utf8"), await readFile(path, "utf8"));
  }
});

test("a source that cannot be removed is reported after a move, which is in place", async () => {
  await shell("mkdir -p stuck/theirs; echo x >stuck/theirs/file; chown daemon . stuck; chmod 755 . stuck");
  await run("chmod", ["1777", other]);
  const asDaemon = { signal, overwrite: false, user: "daemon" };
  await refuses(
    files.move(at("stuck"), join(other, "stuck"), asDaemon),
    "permission_denied",
    at("stuck/theirs/file"),
  );
  assert.equal(await readFile(join(other, "stuck/theirs/file"), "utf8"), "x\n");
});

test("trees deeper than the longest path are listed, changed, copied, moved and removed", async () => {
  await run("python3", [
    "-c",
    `import os\nos.chdir(${JSON.stringify(root)})\nfor i in range(400):\n n = "deep" if i == 0 else "a" * 20\n os.mkdir(n); os.chdir(n)`,
  ]);
  const listed = await files.list(at("deep"), 1000, { signal });
  assert.ok(listed.length > 100 && listed.every(({ path }) => path.length <= 4096));
  await files.changeMode(at("deep"), 0o700, { signal, recursive: true });
  assert.equal(await shell("find deep -type d -perm 700 | wc -l"), "400");
  await copy(at("deep"), at("deeper"));
  await move(at("deep"), join(other, "deep"));
  for (const path of [at("deeper"), join(other, "deep")])
    await files.remove(path, { signal, recursive: true });
  assert.deepEqual(
    [await readdir(other), (await readdir(root)).includes("deeper")].flat().includes("deep"),
    false,
  );
});

test("trees that change while they are walked are listed, archived, copied, changed and removed", async (t) => {
  await mkdir(at("busy/x"), { recursive: true });
  const changing = spawn(
    "sh",
    [
      "-c",
      "while :; do mkdir -p busy/x/y/z; echo 1 >busy/x/y/f; rm -rf busy/x/y; ln -s nowhere busy/x/y; rm busy/x/y; done 2>/dev/null",
    ],
    { cwd: root, stdio: "ignore" },
  );
  t.after(() => changing.kill("SIGKILL"));
  for (let i = 0; i < 100; i++) {
    await files.list(at("busy"), 9, { signal });
    await Array.fromAsync(await files.archive(at("busy"), { signal }));
    await copy(at("busy"), at("still"));
    await files.changeMode(at("busy"), 0o755, { signal, recursive: true });
    await files.remove(at("still"), { signal, recursive: true });
  }
});

test("a failed call removes the parents it made, and only those", async () => {
  await shell("mkdir -p there/empty; echo x >plain");
  await refuses(copy(at("missing"), at("there/a/b/c")), "path_not_found");
  await refuses(copy(at("there"), at("there/a/b/c")), "path_invalid");
  await refuses(move(at("there"), at("there/a/b/c")), "path_invalid");
  await refuses(copy(at("plain"), `${at("there/new/../empty/d")}/`), "not_a_directory");
  await refuses(files.makeDirectory(at("there/a/b", "x".repeat(300)), { signal }), "path_invalid");
  await refuses(copy(at("plain"), at("plain/below")), "not_a_directory", at("plain/below"));
  assert.deepEqual(await readdir(at("there"), { recursive: true }), ["empty"]);
  assert.equal((await files.makeDirectory(`${at("there/slash")}//`, { signal })).path, at("there/slash"));
});

test("copies and moves to one name at the same time all succeed with overwrite, and the last one stays", async () => {
  await shell("head -c 200000 /dev/zero >same; mkdir -p same-tree/a/b; echo x >same-tree/a/b/file");
  for (let round = 0; round < 20; round++) {
    const calls = [1, 2, 3, 4].map(async (n) => {
      await writeFile(at(`same-${n}`), "moved");
      await copy(at("same"), at(`same-copy-${round}`));
      await copy(at("same-tree"), at(`same-tree-${round}`));
      await move(at(`same-${n}`), at(`same-moved-${round}`));
    });
    await Promise.all(calls);
  }
  assert.equal(
    await shell(
      "ls -d same-copy-* same-tree-* same-moved-* | wc -l; find same-copy-* -size 200000c | wc -l; find same-tree-*/a/b/file | wc -l; ls -A | grep -c '^.wrenn' || true",
    ),
    "60\n20\n20\n0",
  );
});

test("the error of a copy onto a mount point names the mount point", async (t) => {
  await shell("echo over >mounted-over; echo on >mounted-on");
  await run("mount", ["--bind", at("mounted-over"), at("mounted-on")]);
  t.after(() => run("umount", [at("mounted-on")]));
  await refuses(copy("/etc/passwd", at("mounted-on")), "path_in_use", at("mounted-on"));
  assert.equal(await readFile(at("mounted-on"), "utf8"), "over\n");
});

test("a slash at the end is dropped, and refused behind the name of a file", async () => {
  await shell("mkdir -p ends/directory; echo x >ends/file; ln -s directory ends/link");
  const file = `${at("ends/file")}/`;
  await refuses(files.remove(file, { signal, recursive: true }), "not_a_directory");
  await refuses(files.stat(file, { signal }), "not_a_directory");
  await refuses(files.list(file, 1, { signal }), "not_a_directory");
  await refuses(files.changeMode(file, 0o600, { signal, recursive: false }), "not_a_directory");
  await refuses(move(file, at("ends/moved")), "not_a_directory");
  await refuses(files.write(file, Readable.from([]), { signal }), "not_a_directory");
  await refuses(files.uploads.create({ id: "slash", path: file, size: 1 }, { signal }), "not_a_directory");
  const link = await files.stat(`${at("ends/link")}/`, { signal });
  assert.deepEqual([link.path, link.type], [at("ends/link"), "symlink"]);
  await files.remove(`${at("ends/link")}/`, { signal, recursive: true });
  await files.remove(`${at("ends/directory")}//`, { signal, recursive: true });
  assert.deepEqual(await readdir(at("ends")), ["file"]);
});

test("a link at the destination is replaced and never followed", async () => {
  await shell(
    "echo target >target; ln -s target to-target; ln -s nowhere to-nowhere; mkdir directory; ln -s directory to-directory; echo new >new",
  );
  for (const name of ["to-target", "to-nowhere", "to-directory"]) await copy(at("new"), at(name));
  assert.equal(
    await shell("cat target to-target to-nowhere to-directory; find to-* -type l; ls directory"),
    "target\nnew\nnew\nnew",
  );
});

/** Makes a directory whose copy takes a while: many empty files, since a copy only links further names of a file. */
async function manyNames(name: string): Promise<void> {
  const script = `import os\nos.mkdir(${JSON.stringify(at(name))}); os.chdir(${JSON.stringify(at(name))})\nfor i in range(20000): os.mknod(str(i))`;
  await run("python3", ["-c", script]);
}

test("short calls never wait behind long ones, and a call that is given up ends and leaves nothing", async () => {
  await manyNames("many");
  const givenUp = new AbortController();
  let ended = 0;
  const copies = Array.from({ length: 8 }, (_, i) =>
    copy(at("many"), at(`copied-${i}`), givenUp.signal).finally(() => ended++),
  );
  const outcomes = Promise.allSettled(copies);
  await eventually("a copy is under way", async () =>
    (await readdir(root)).some((name) => name.startsWith(".wrenn-copy-")),
  );
  for (let i = 0; i < 20; i++) {
    const began = performance.now();
    await files.list(at(), 1, { signal });
    await files.stat(at("many"), { signal });
    await files.makeDirectory(at(`made-${i}`), { signal });
    await move(at(`made-${i}`), at(`renamed-${i}`));
    await copy("/etc/passwd", at("small"));
    await files.remove(at(`renamed-${i}`), { signal, recursive: true });
    assert.ok(performance.now() - began < 1000, `round ${i} took ${performance.now() - began} ms`);
  }
  assert.equal(ended, 0, "the copies were too quick to show anything");
  givenUp.abort(new Error("enough"));
  for (const outcome of await outcomes)
    assert.ok(outcome.status === "rejected" && outcome.reason === givenUp.signal.reason);
  // Neither what was copied so far nor the four that waited for a worker.
  await eventually("nothing of the copies is left", async () =>
    (await readdir(root)).every((name) => !name.startsWith(".wrenn-copy-") && !name.startsWith("copied-")),
  );
  await files.copy(at("small"), at("copied-0"), { signal, overwrite: false, recursive: true });
  await files.remove(at("many"), { signal, recursive: true });
});

test("short calls do not wait behind copies of files whose size does not say how long they are", async () => {
  const givenUp = new AbortController();
  const copies = Promise.allSettled(
    Array.from({ length: 4 }, (_, i) => copy("/proc/self/pagemap", at(`pagemap-${i}`), givenUp.signal)),
  );
  await eventually(
    "the copies are under way",
    async () => (await readdir(root)).filter((name) => name.startsWith(".wrenn-copy-")).length === 4,
  );
  await files
    .list(at(), 1, { signal: AbortSignal.timeout(3000) })
    .finally(() => givenUp.abort(new Error("enough")));
  for (const outcome of await copies)
    assert.ok(outcome.status === "rejected" && outcome.reason === givenUp.signal.reason);
  await eventually("nothing of the copies is left", async () =>
    (await readdir(root)).every((name) => !name.startsWith(".wrenn-copy-") && !name.startsWith("pagemap-")),
  );
});

test("each long call can be given up: removal, mode change, list, move to another file system", async () => {
  await manyNames("long");
  await mkdir(at("long/sub"));
  const calls = {
    move: (given: AbortSignal) =>
      files.move(at("long"), join(other, "long"), { signal: given, overwrite: false }),
    mode: (given: AbortSignal) => files.changeMode(at("long"), 0o700, { signal: given, recursive: true }),
    list: (given: AbortSignal) => files.list(at("long"), 9, { signal: given }),
    remove: (given: AbortSignal) => files.remove(at("long"), { signal: given, recursive: true }),
  };
  for (const [name, work] of Object.entries(calls)) {
    const givenUp = new AbortController();
    const working = work(givenUp.signal);
    setTimeout(() => givenUp.abort(new Error("enough")), 5);
    await assert.rejects(working, /enough/, name);
    // The agent does one thing after the other for four workers: four more removals show that each is free.
    for (let i = 0; i < 4; i++) {
      await mkdir(at("free/below"), { recursive: true });
      await files.remove(at("free"), { signal, recursive: true });
    }
    const left = (await readdir(at("long"))).length;
    assert.ok(name === "remove" ? left > 0 : left === 20_001, `${left} names after ${name}`);
    await eventually("nothing is left of the move", async () =>
      (await readdir(other)).every((one) => !one.includes("long") && !one.startsWith(".wrenn")),
    );
  }
  assert.equal((await stat(at("long"))).mode & 0o777, 0o755, "the directory itself is changed last");
});
