import assert from "node:assert/strict";
import { chmod, link, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { IgnoreRules } from "@wrenn/recipe";
import { ContextError, digestSources, packSources, readContext, readIgnoreFile } from "@wrenn/recipe/context";
import type { BuildContext } from "@wrenn/recipe/context";
import { ContextLab, copyOf, run } from "./support/context-lab.ts";

const pathsOf = ({ entries }: BuildContext): readonly string[] => entries.map(({ path }) => path);
const problemsOf = ({ problems }: BuildContext): readonly string[] =>
  problems.map(({ path, kind }) => `${path}: ${kind}`);

test("all files are there in the order of their names, directories before what is in them", async () => {
  await using lab = await ContextLab.open({
    "b/z": "",
    "b/.y": "",
    "b/": "",
    "a-b": "",
    "a/c/": "",
    ä: "",
    A: "",
  });
  assert.deepEqual(pathsOf(await readContext(lab.root)), ["A", "a", "a/c", "a-b", "b", "b/.y", "b/z", "ä"]);
});

test("ignored files are left out, and directories are there for what is excepted in them", async () => {
  await using lab = await ContextLab.open({
    "keep/a": "",
    "out/deep/kept": "",
    "out/deep/other": "",
    "out/empty/": "",
    "gone/a": "",
    "x.log": "",
  });
  const ignore = IgnoreRules.parse("out\ngone\n*.log\n!out/deep/kept");
  assert.deepEqual(pathsOf(await readContext(lab.root, { ignore })), [
    "keep",
    "keep/a",
    "out",
    "out/deep",
    "out/deep/kept",
  ]);
});

test("modes are effective ones: what umask and file system make of them does not show", async () => {
  await using lab = await ContextLab.open({
    private: "",
    open: "",
    tool: "",
    set: "",
    "dir/": "",
    link: "-> tool",
  });
  for (const [name, mode] of [
    ["private", 0o600],
    ["open", 0o666],
    ["tool", 0o700],
    ["set", 0o6755],
    ["dir", 0o700],
  ] as const)
    await chmod(join(lab.root, name), mode);
  const { entries } = await readContext(lab.root);
  assert.deepEqual(Object.fromEntries(entries.map(({ path, mode }) => [path, mode.toString(8)])), {
    dir: "755",
    link: "777",
    open: "644",
    private: "644",
    set: "755",
    tool: "755",
  });
});

test("links stay links, and what they lead to is not read", async () => {
  await using lab = await ContextLab.open({
    "dir/file": "x",
    "to-dir": "-> dir",
    "to-file": "-> dir/file",
    "dir/up": "-> ../to-dir/file",
    dangling: "-> nothing",
    "through-dangling": "-> dangling/x",
    absolute: "-> /etc/passwd",
    outside: "-> ../secret",
    "outside-by-link": "-> outside/x",
    round: "-> round",
    "through-file": "-> dir/file/x",
  });
  await writeFile(join(lab.directory, "secret"), "secret");
  const context = await readContext(lab.root);
  assert.deepEqual(
    context.entries.filter(({ type }) => type === "link").map(({ path, target }) => `${path} ${target}`),
    [
      "absolute /etc/passwd",
      "dangling nothing",
      "dir/up ../to-dir/file",
      "outside ../secret",
      "outside-by-link outside/x",
      "round round",
      "through-dangling dangling/x",
      "through-file dir/file/x",
      "to-dir dir",
      "to-file dir/file",
    ],
  );
  assert.deepEqual(problemsOf(context), [
    "absolute: outside-link",
    "dangling: dangling-link",
    "outside: outside-link",
    "outside-by-link: outside-link",
    "round: dangling-link",
    "through-dangling: dangling-link",
    "through-file: dangling-link",
  ]);
});

test("sockets, pipes, devices and names that are not UTF-8 are reported and left out", async () => {
  await using lab = await ContextLab.open({ file: "x" });
  run(["mkfifo", join(lab.root, "pipe")]);
  await writeFile(Buffer.concat([Buffer.from(`${lab.root}/`), Buffer.from([0x61, 0xff])]), "x");
  await symlink(Buffer.from([0xff]), Buffer.from(join(lab.root, "odd-link")));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(lab.root, "socket"), resolve));
  try {
    const context = await readContext(lab.root);
    assert.deepEqual(pathsOf(context), ["file"]);
    assert.deepEqual(problemsOf(context), [
      "a\uFFFD: name-not-utf8",
      "odd-link: name-not-utf8",
      "pipe: special-file",
      "socket: special-file",
    ]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("files and directories that this user may not read are reported and left out", async () => {
  await using lab = await ContextLab.open({
    "closed/a": "",
    "no-search/a": "",
    "ignored/a": "",
    file: "",
    readable: "",
  });
  const ignore = IgnoreRules.parse("ignored\n!ignored/b");
  await chmod(join(lab.root, "file"), 0);
  await chmod(join(lab.root, "ignored"), 0);
  await chmod(join(lab.root, "closed"), 0);
  await chmod(join(lab.root, "no-search"), 0o444);
  await chmod(lab.directory, 0o755);
  const isRoot = process.geteuid?.() === 0;
  // Root reads everything.
  if (isRoot) process.seteuid?.(65_534);
  try {
    const context = await readContext(lab.root, { ignore });
    assert.deepEqual(pathsOf(context), ["no-search", "readable"]);
    assert.deepEqual(problemsOf(context), [
      "closed: unreadable",
      "file: unreadable",
      "no-search/a: unreadable",
    ]);
  } finally {
    if (isRoot) process.seteuid?.(0);
    await chmod(join(lab.root, "closed"), 0o755);
    await chmod(join(lab.root, "no-search"), 0o755);
    await chmod(join(lab.root, "ignored"), 0o755);
  }
});

test("what is swapped in after the context was read is refused by its path, and is not read", async () => {
  const swaps: Readonly<Record<string, (lab: ContextLab) => Promise<void>>> = {
    "dir/file": async ({ root }) => {
      await rename(join(root, "dir"), join(root, "dir.old"));
      await symlink("../outside", join(root, "dir"));
    },
    "deep/a/file": async ({ root }) => {
      await rm(join(root, "deep/a"), { recursive: true });
      await symlink("../../outside", join(root, "deep/a"));
    },
    "link-to-be": async ({ root }) => {
      await rm(join(root, "link-to-be"));
      await symlink("../outside/file", join(root, "link-to-be"));
    },
    "pipe-to-be": async ({ root }) => {
      await rm(join(root, "pipe-to-be"));
      run(["mkfifo", join(root, "pipe-to-be")]);
    },
    "directory-to-be": async ({ root }) => {
      await rm(join(root, "directory-to-be"));
      await mkdir(join(root, "directory-to-be"));
    },
    gone: async ({ root }) => await rm(join(root, "gone")),
    longer: async ({ root }) => await writeFile(join(root, "longer"), "secret".repeat(1000)),
    other: async ({ root }) => {
      await writeFile(join(root, "new"), "secret");
      await rename(join(root, "new"), join(root, "other"));
    },
    touched: async ({ root }) => await utimes(join(root, "touched"), 1, 1),
  };
  await using lab = await ContextLab.open(
    Object.fromEntries(Object.keys(swaps).map((path) => [path, "inside"])),
  );
  await mkdir(join(lab.directory, "outside"));
  await writeFile(join(lab.directory, "outside/file"), "secret");
  const context = await readContext(lab.root);
  for (const [path, swap] of Object.entries(swaps)) {
    await swap(lab);
    const copy = copyOf(`COPY ${path} /x`, context);
    const refused = (error: unknown): boolean =>
      error instanceof ContextError && error.path === path && error.message.includes("changed while");
    await assert.rejects(digestSources(context, copy), refused, path);
    const pieces: Uint8Array[] = [];
    await assert.rejects(async () => {
      for await (const piece of packSources(context, [{ directory: "1", copy }])) pieces.push(piece);
    }, refused);
    assert.ok(!Buffer.concat(pieces).includes("secret"), path);
  }
});

test("a directory that is swapped for a link while it is read leads nowhere outside", async () => {
  await using lab = await ContextLab.open(
    Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`d${String(at).padStart(3, "0")}/file`, ""])),
  );
  await mkdir(join(lab.directory, "outside"));
  await writeFile(join(lab.directory, "outside/secret"), "secret");
  const stop = new AbortController();
  const swapping = (async () => {
    const victim = join(lab.root, "d040");
    while (!stop.signal.aborted) {
      await rename(victim, `${victim}.old`);
      await symlink("../outside", victim);
      await rm(victim);
      await rename(`${victim}.old`, victim);
    }
  })();
  try {
    for (let round = 0; round < 10; round += 1) {
      const context = await readContext(lab.root).catch((error: unknown) => {
        assert.ok(error instanceof ContextError && error.path.startsWith("d040"), String(error));
        return undefined;
      });
      assert.ok(context?.entries.every(({ path }) => !path.includes("secret")) ?? true);
    }
  } finally {
    stop.abort();
    await swapping;
  }
});

test("a context that is no directory, and one whose reading is given up", async () => {
  await using lab = await ContextLab.open({ file: "" });
  await assert.rejects(readContext(join(lab.root, "file")), ContextError);
  await assert.rejects(readContext(join(lab.root, "nothing")), /nothing cannot be read \(ENOENT\)/);
  const reason = new Error("given up");
  await assert.rejects(
    readContext(lab.root, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
});

test("hard links are known by their file, and files with one name are not", async () => {
  await using lab = await ContextLab.open({ a: "x", c: "y" });
  await link(join(lab.root, "a"), join(lab.root, "b"));
  const { entries } = await readContext(lab.root);
  const [a, b, c] = entries.map(({ inode }) => inode);
  assert.ok(a !== undefined && a === b && c === undefined);
});

test("the ignore file of the recipe comes before that of the context", async () => {
  await using lab = await ContextLab.open({});
  const recipe = join(lab.root, "sub.recipe");
  assert.equal((await readIgnoreFile(lab.root, recipe)).file, undefined);
  await writeFile(join(lab.root, ".dockerignore"), "a\n");
  const general = await readIgnoreFile(lab.root, recipe);
  assert.deepEqual([general.file, general.rules.ignores("a")], [".dockerignore", true]);
  await writeFile(`${recipe}.dockerignore`, "b\n");
  const own = await readIgnoreFile(lab.root, recipe);
  assert.deepEqual(
    [own.file, own.rules.ignores("a"), own.rules.ignores("b")],
    [`${recipe}.dockerignore`, false, true],
  );
  await writeFile(`${recipe}.dockerignore`, "b\n[\n");
  await assert.rejects(
    readIgnoreFile(lab.root, recipe),
    (error) => error instanceof ContextError && error.path === `${recipe}.dockerignore:2`,
  );
  await rm(join(lab.root, ".dockerignore"));
  await symlink("/etc/passwd", join(lab.root, ".dockerignore"));
  await assert.rejects(readIgnoreFile(lab.root, undefined), /\.dockerignore: is a link/);
});
