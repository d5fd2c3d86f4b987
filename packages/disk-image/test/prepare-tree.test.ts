import assert from "node:assert/strict";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { prepareTree } from "../src/prepare-tree.ts";
import { findInTree } from "../src/tree-path.ts";

const root = await mkdtemp(join(tmpdir(), "wrenn-trees-"));
after(() => rm(root, { recursive: true, force: true }));
let count = 0;

/** A new tree next to a directory that nothing may touch. */
async function newTree(): Promise<{ readonly tree: string; readonly outside: string }> {
  const base = join(root, String(count++));
  const [tree, outside] = [join(base, "tree"), join(base, "outside")];
  await mkdir(tree, { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, "file"), "untouched");
  return { tree, outside };
}

async function put(tree: string, path: string, content = ""): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), content);
}

/** Modules of a kernel, as prepareTree is given them. */
async function newModules(): Promise<string> {
  const modules = join(root, `modules-${count++}`);
  await put(modules, "6.1.0-1/modules.dep", "index");
  await put(modules, "6.1.0-1/kernel/fs/fuse/fuse.ko.zst", "module");
  return modules;
}

const inTree = async (tree: string, path: string): Promise<string | undefined> => {
  const place = await findInTree(tree, path);
  return place && (place.stats ? "" : "new ") + relative(tree, place.path);
};

test("paths of a tree are found as in a root directory, and never outside of it", async () => {
  const { tree, outside } = await newTree();
  await put(tree, "usr/lib/file");
  await symlink("usr/lib", join(tree, "lib"));
  await symlink("/usr/lib/file", join(tree, "absolute"));
  await symlink("../../../../../../../../usr", join(tree, "up"));
  await symlink(outside, join(tree, "out"));
  await symlink("loop", join(tree, "loop"));
  await symlink("x".repeat(300), join(tree, "long"));
  assert.equal(await inTree(tree, "/"), "");
  assert.equal(await inTree(tree, "/lib/file"), "usr/lib/file");
  assert.equal(await inTree(tree, "absolute"), "usr/lib/file");
  assert.equal(await inTree(tree, "up/lib/../lib/./file"), "usr/lib/file");
  assert.equal(await inTree(tree, "../../etc/passwd"), undefined);
  assert.equal(await inTree(tree, "../../etc"), "new etc");
  assert.equal(await inTree(tree, "lib/none"), "new usr/lib/none");
  // It leads to a path of the tree that has the same name, and that is not there.
  assert.equal(await inTree(tree, "out/file"), undefined);
  assert.equal(await inTree(tree, "loop"), undefined);
  assert.equal(await inTree(tree, "absolute/below"), undefined);
  assert.equal(await inTree(tree, "long"), `new ${"x".repeat(300)}`);
  const last = await findInTree(tree, "absolute", { followLast: false });
  assert.ok(last?.stats?.isSymbolicLink());
});

test("an empty tree gets what the guest agent and programs need, with the usual modes", async () => {
  const { tree } = await newTree();
  await prepareTree(tree, await newModules());
  const modeOf = async (path: string): Promise<string> =>
    ((await stat(join(tree, path))).mode & 0o7777).toString(8);
  const names = ["dev", "etc", "lib", "proc", "root", "run", "sys", "tmp", "var"];
  assert.deepEqual((await readdir(tree)).toSorted(), names);
  const modes = ["755", "755", "755", "755", "700", "755", "755", "1777", "755"];
  assert.deepEqual(await Promise.all(names.map(modeOf)), modes);
  assert.equal(await modeOf("var/tmp"), "1777");
  assert.deepEqual(await readdir(join(tree, "etc")), ["hosts"]);
  assert.equal(await readFile(join(tree, "etc/hosts"), "utf8"), "127.0.0.1 localhost\n::1 ip6-localhost\n");
  assert.equal(await readFile(join(tree, "lib/modules/6.1.0-1/modules.dep"), "utf8"), "index");
});

test("what an image has stays, and where it merges /lib into /usr the modules go there", async () => {
  const { tree } = await newTree();
  await put(tree, "usr/lib/modules/5.0/other");
  await put(tree, "usr/lib/modules/6.1.0-1/of-the-image");
  await symlink("usr/lib", join(tree, "lib"));
  await put(tree, "etc/hosts", "127.0.0.1\tlocalhost box\n");
  await put(tree, "etc/resolv.conf", "nameserver 192.0.2.1\n");
  await put(tree, "etc/machine-id", "uninitialized\n");
  await mkdir(join(tree, "var/tmp"), { recursive: true });
  await symlink("var/tmp", join(tree, "tmp"));
  await mkdir(join(tree, "root"), { mode: 0o750 });
  await chmod(join(tree, "etc/hosts"), 0o444);
  await prepareTree(tree, await newModules());
  assert.equal(await readlink(join(tree, "lib")), "usr/lib");
  assert.deepEqual((await readdir(join(tree, "usr/lib/modules"))).toSorted(), ["5.0", "6.1.0-1"]);
  assert.deepEqual((await readdir(join(tree, "usr/lib/modules/6.1.0-1"))).toSorted(), [
    "kernel",
    "modules.dep",
  ]);
  assert.equal(await readFile(join(tree, "etc/hosts"), "utf8"), "127.0.0.1\tlocalhost box\n");
  assert.equal(await readFile(join(tree, "etc/machine-id"), "utf8"), "uninitialized\n");
  assert.equal(await readlink(join(tree, "tmp")), "var/tmp");
  assert.equal((await stat(join(tree, "root"))).mode & 0o777, 0o750);
});

test("a file of hosts without localhost gets it", async () => {
  const { tree } = await newTree();
  await put(tree, "etc/hosts", "# localhost is missing\n192.0.2.1 mylocalhost other");
  await prepareTree(tree, undefined);
  assert.equal(
    await readFile(join(tree, "etc/hosts"), "utf8"),
    "# localhost is missing\n192.0.2.1 mylocalhost other\n127.0.0.1 localhost\n::1 ip6-localhost\n",
  );
});

test("links that lead out of the tree lead to nothing outside of it", async () => {
  for (const target of ["absolute", "relative"]) {
    const { tree, outside } = await newTree();
    const to = (name: string): string =>
      target === "absolute" ? join(outside, name) : join("../outside", name);
    await mkdir(join(tree, "etc"));
    for (const name of ["hosts", "hostname", "machine-id", "resolv.conf"])
      await symlink(join(target === "absolute" ? "" : "..", to("file")), join(tree, "etc", name));
    for (const name of ["dev", "proc", "run", "sys", "tmp", "var", "root", "lib"])
      await symlink(to(""), join(tree, name));
    await prepareTree(tree, await newModules());
    assert.deepEqual(await readdir(outside), ["file"]);
    assert.equal(await readFile(join(outside, "file"), "utf8"), "untouched");
    for (const name of ["dev", "proc", "run", "sys", "tmp", "var", "root"])
      assert.ok((await lstat(join(tree, name))).isDirectory(), name);
    assert.deepEqual(await readdir(join(tree, "etc")), ["hosts"]);
    assert.ok((await lstat(join(tree, "etc/hosts"))).isFile());
  }
});

test("a directory, a loop or a file in the way is replaced where the guest needs the place", async () => {
  const { tree } = await newTree();
  await put(tree, "etc/hosts/below/file");
  await mkdir(join(tree, "etc/resolv.conf"));
  await symlink("hostname", join(tree, "etc/hostname"));
  for (const name of ["proc", "run", "tmp", "root"]) await writeFile(join(tree, name), "a file");
  await symlink("proc", join(tree, "dev"));
  await writeFile(join(tree, "lib"), "a file");
  await prepareTree(tree, await newModules());
  assert.deepEqual(await readdir(join(tree, "etc")), ["hosts"]);
  for (const name of ["proc", "run", "tmp", "root", "dev"])
    assert.ok((await lstat(join(tree, name))).isDirectory(), name);
  // An image that has no place for modules does without.
  assert.equal(await readFile(join(tree, "lib"), "utf8"), "a file");
});

test("a file of hosts with several names in the image keeps them", async () => {
  const { tree } = await newTree();
  await put(tree, "etc/hosts", "");
  await link(join(tree, "etc/hosts"), join(tree, "copy"));
  await prepareTree(tree, undefined);
  assert.equal((await stat(join(tree, "etc/hosts"))).nlink, 2);
});
