import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import type { FileEntry, FileOptions, WriteOptions } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";

/* Uploads over files that are there: what a shell's ">" keeps, by the real agent. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-targets-");
await chmod(root, 0o755);
const run = promisify(execFile);
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const { files } = guestLink;
const at = (...names: readonly string[]): string => join(root, ...names);
const shell = async (commands: string): Promise<string> =>
  (await run("sh", ["-euc", commands], { cwd: root })).stdout.trim();
const python = async (code: string): Promise<string> =>
  (await run("python3", ["-c", `import os\nos.chdir(${JSON.stringify(root)})\n${code}`])).stdout.trim();
const facts = async (name: string): Promise<string> => await shell(`stat -c '%a %u:%g %h %i' ${name}`);
const noTemporaries = async (directory = root): Promise<void> => {
  const names = await readdir(directory, { recursive: true });
  assert.deepEqual(
    names.filter((name) => name.includes(".wrenn-")),
    [],
  );
};

type Options = Omit<FileOptions & WriteOptions, "signal">;
type Put = (path: string, text: string, options?: Options) => Promise<FileEntry>;

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const write: Put = async (path, text, options) => await files.write(path, once(text), { signal, ...options });

let uploads = 0;
const resumable: Put = async (path, text, options) => {
  const id = `up-${++uploads}`;
  await files.uploads.create({ id, path, size: Buffer.byteLength(text) }, { signal, ...options });
  try {
    const { entry } = await files.uploads.append(id, 0, once(text), { signal });
    assert.ok(entry);
    return entry;
  } catch (error) {
    await files.uploads.abandon(id, { signal });
    throw error;
  }
};

async function refuses(work: Promise<unknown>, reason: ErrorReason): Promise<void> {
  await assert.rejects(work, (error) => WrennError.is(error, reason), reason);
}

for (const [name, put] of [
  ["write", write],
  ["resumable upload", resumable],
] as const) {
  test(`${name}: each hard link of a file has the new content`, async () => {
    await shell(
      "rm -rf links; mkdir -p links/sub; echo a long old content >links/one; ln links/one links/sub/two; chmod 640 links/one",
    );
    const before = await facts("links/one");
    const entry = await put(at("links/one"), "new\n");
    assert.deepEqual([entry.size, entry.path], [4, at("links/one")]);
    assert.equal(await readFile(at("links/sub/two"), "utf8"), "new\n");
    assert.equal(await facts("links/one"), before);
    await put(at("links/sub/two"), "");
    assert.equal((await stat(at("links/one"))).size, 0);
    await noTemporaries();
  });

  test(`${name}: owner, group, set-id bits, attributes and access lists stay, capabilities do not`, async () => {
    await shell("rm -f tool; cp /bin/true tool; chown 1234:1235 tool; chmod 6751 tool");
    const list =
      "02000000 01000600 ffffffff 02000700 4d000000 04000500 ffffffff 10000700 ffffffff 20000100 ffffffff";
    await python(
      `os.setxattr("tool", "user.note", b"kept"); os.setxattr("tool", "system.posix_acl_access", bytes.fromhex("${list}")); os.chmod("tool", 0o6751)
os.setxattr("tool", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))`,
    );
    const mode = await shell("stat -c '%a %u:%g' tool");
    const access = await python(`print(os.getxattr("tool", "system.posix_acl_access").hex())`);
    const inode = (await stat(at("tool"))).ino;
    await put(at("tool"), "new");
    assert.equal(await shell("stat -c '%a %u:%g' tool"), mode);
    assert.equal(
      await python(
        `print(sorted(os.listxattr("tool")), os.getxattr("tool", "user.note"), os.getxattr("tool", "system.posix_acl_access").hex())`,
      ),
      `['system.posix_acl_access', 'user.note'] b'kept' ${access}`,
    );
    assert.notEqual((await stat(at("tool"))).ino, inode, "replaced in one step");
  });

  test(`${name}: a mode that is asked for is set, or refused`, async () => {
    await shell("rm -f moded linked; echo x >moded; chmod 644 moded");
    assert.equal((await put(at("moded"), "y", { mode: 0o755 })).mode, 0o755);
    await shell("ln moded linked");
    assert.equal((await put(at("linked"), "z", { mode: 0o600 })).mode, 0o600);
    assert.equal(await shell("stat -c %a moded; cat moded"), "600\nz");
    await shell("chmod 666 moded");
    await refuses(put(at("moded"), "theirs", { mode: 0o777, user: "daemon" }), "permission_denied");
    assert.equal(await readFile(at("moded"), "utf8"), "z");
    assert.equal((await put(at("moded"), "mine", { mode: 0o666, user: "daemon" })).mode, 0o666);
    // The kernel would leave the bit out without a word.
    await shell("rm -f theirs; echo x >theirs; chown daemon:root theirs");
    await refuses(put(at("theirs"), "y", { mode: 0o2755, user: "daemon" }), "permission_denied");
    assert.equal((await put(at("theirs"), "y", { mode: 0o755, user: "daemon" })).mode, 0o755);
    assert.equal(await shell("stat -c '%a %U:%G' theirs; cat theirs"), "755 daemon:root\ny");
  });

  test(`${name}: links are followed to targets that are missing`, async () => {
    await shell("rm -rf dots rc loop; ln -s dots/here/../rc rc; ln -s loop loop");
    await refuses(put(at("loop"), "x"), "path_invalid");
    await shell("mkdir -p dots/here; ln -sf dots/first rc; ln -s second dots/first");
    assert.equal((await put(at("rc"), "x")).path, at("dots/second"));
    assert.equal(await shell("readlink rc; readlink dots/first; cat dots/second"), "dots/first\nsecond\nx");
    await shell("rm -r dots; ln -sfn dots/new/rc rc");
    await put(at("rc"), "deep", { mode: 0o600 });
    assert.equal(await shell("cat rc; stat -Lc %a rc; readlink rc"), "deep600\ndots/new/rc");
  });

  test(`${name}: a bind-mounted file is filled, also in a directory that is read-only`, async (t) => {
    await shell(
      "rm -rf mounts; mkdir -p mounts/read-only; echo old >mounts/source; touch mounts/point mounts/read-only/point",
    );
    await run("mount", ["--bind", at("mounts"), at("mounts")]);
    t.after(() => run("umount", ["-R", at("mounts")]));
    await run("mount", ["--bind", at("mounts/source"), at("mounts/point")]);
    await put(at("mounts/point"), "new");
    assert.equal(await shell("cat mounts/source mounts/point"), "newnew");
    await run("mount", ["--bind", at("mounts/read-only"), at("mounts/read-only")]);
    await run("mount", ["--bind", at("mounts/source"), at("mounts/read-only/point")]);
    await run("mount", ["-o", "remount,bind,ro", at("mounts/read-only")]);
    await put(at("mounts/read-only/point"), "newer");
    assert.equal(await readFile(at("mounts/source"), "utf8"), "newer");
    await refuses(put(at("mounts/read-only/other"), "x"), "read_only_file_system");
    await noTemporaries(at("mounts"));
  });

  test(`${name}: a user writes the files that he may, wherever they are`, async () => {
    await shell(
      "rm -rf shared; mkdir -p shared/closed shared/sticky; chmod 755 shared shared/closed; chmod 1777 shared/sticky;" +
        "for d in closed sticky; do cp /bin/true shared/$d/file; chmod 4666 shared/$d/file; done",
    );
    for (const directory of ["closed", "sticky"]) {
      const inode = (await stat(at("shared", directory, "file"))).ino;
      await put(at("shared", directory, "file"), "new", { user: "daemon" });
      assert.equal(await shell(`cd shared/${directory}; cat file; stat -c ' %a %U' file`), "new 666 root");
      assert.equal((await stat(at("shared", directory, "file"))).ino, inode);
    }
    await refuses(put(at("shared/closed/other"), "x", { user: "daemon" }), "permission_denied");
    await noTemporaries();
  });

  test(`${name}: files that only grow or never change are refused, and keep nothing`, async (t) => {
    await shell(
      "rm -rf flags; mkdir -p flags/grows; echo old >flags/append; echo old >flags/fixed; echo old >flags/grows/file",
    );
    await shell("chattr +a flags/append flags/grows; chattr +i flags/fixed");
    t.after(() => shell("chattr -a flags/append flags/grows; chattr -i flags/fixed"));
    for (const file of ["append", "fixed"]) {
      await refuses(put(at("flags", file), "new"), "permission_denied");
      assert.equal(await readFile(at("flags", file), "utf8"), "old\n");
    }
    await put(at("flags/grows/file"), "new");
    await put(at("flags/grows/other"), "new");
    assert.equal(
      await shell("cat flags/grows/file flags/grows/other; ls -A flags/grows"),
      "newnewfile\nother",
    );
  });

  test(`${name}: a full disk leaves the old content of what is written in place`, async (t) => {
    const disk = await mkdtemp(at("disk-"));
    await run("mount", ["-t", "tmpfs", "-o", "size=256k", "none", disk]);
    t.after(() => run("umount", [disk]));
    await shell(
      `cd ${disk}; echo old >file; ln file other; mkdir shut; echo old >shut/file; chmod 4666 shut/file`,
    );
    await refuses(put(join(disk, "file"), "x".repeat(200_000)), "disk_full_in_capsule");
    await refuses(
      put(join(disk, "shut/file"), "x".repeat(300_000), { user: "daemon" }),
      "disk_full_in_capsule",
    );
    assert.equal(await shell(`cd ${disk}; cat file other shut/file`), "old\nold\nold");
    await noTemporaries(disk);
  });
}

test("a large file that is written in place is whole", async () => {
  await shell("echo old >big; ln big bigger");
  const size = 64 << 20;
  const content = async function* (): AsyncGenerator<Uint8Array> {
    const part = Buffer.alloc(1 << 20, "x");
    for (let sent = 0; sent < size; sent += part.length) yield part;
  };
  const entry = await files.write(at("big"), content(), { signal });
  assert.equal(entry.size, size);
  assert.equal((await stat(at("bigger"))).size, size);
});
