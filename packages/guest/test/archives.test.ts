import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { NativeAgent } from "./support/native-agent.ts";

const run = promisify(execFile);
const signal = AbortSignal.timeout(60_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-archives-");
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const descriptors = async (): Promise<number> => (await readdir(`/proc/${agent.pid}/fd`)).length;

test("an archive holds a directory exactly: contents, modes, links, long and odd names", async () => {
  const source = join(root, "source");
  const long = "n".repeat(180);
  const deep = join(source, long, long);
  await mkdir(deep, { recursive: true });
  const big = randomBytes(5_000_000);
  await writeFile(join(source, "big"), big);
  await writeFile(join(source, "empty"), "");
  await writeFile(join(deep, "file"), "far down");
  await writeFile(join(source, "new\nline ü"), "odd");
  await writeFile(join(source, "script"), "#!/bin/sh\n");
  await chmod(join(source, "script"), 0o750);
  await symlink("script", join(source, "link"));

  const parts: Uint8Array[] = [];
  for await (const part of await link.files.archive(source, { signal })) parts.push(part);
  const target = join(root, "target");
  await mkdir(target);
  await writeFile(join(root, "archive.tar.gz"), Buffer.concat(parts));
  await run("tar", ["-xzpf", join(root, "archive.tar.gz"), "-C", target]);

  assert.deepEqual((await readdir(target)).sort(), (await readdir(source)).sort());
  assert.ok((await readFile(join(target, "big"))).equals(big));
  assert.equal(await readFile(join(target, long, long, "file"), "utf8"), "far down");
  assert.equal(await readFile(join(target, "new\nline ü"), "utf8"), "odd");
  assert.equal(await readlink(join(target, "link")), "script");
  const modes = await run("stat", ["-c", "%a", join(target, "script"), join(target, "empty")]);
  assert.equal(modes.stdout, "750\n644\n");
});

test("what is no directory, or is missing, is refused before any byte", async () => {
  await assert.rejects(link.files.archive(join(root, "missing"), { signal }), (error) =>
    WrennError.is(error, "path_not_found"),
  );
  await writeFile(join(root, "file"), "");
  await assert.rejects(link.files.archive(join(root, "file"), { signal }), (error) =>
    WrennError.is(error, "not_a_directory"),
  );
});

test(
  "a file that may not be read fails the archive at its end",
  { skip: process.getuid?.() !== 0 },
  async () => {
    const source = join(root, "guarded");
    await mkdir(source);
    await chmod(root, 0o755);
    await writeFile(join(source, "open"), "for all");
    await writeFile(join(source, "secret"), "for one", { mode: 0o600 });
    const archive = await link.files.archive(source, { signal, user: "nobody" });
    const read = async (): Promise<void> => {
      for await (const part of archive) assert.ok(part.length > 0);
    };
    await assert.rejects(read(), (error) => WrennError.is(error, "permission_denied"));
  },
);

test("who leaves early, or never reads, leaves nothing open in the guest", async () => {
  const before = await descriptors();
  for (let round = 0; round < 5; round++) {
    for await (const part of await link.files.archive(join(root, "source"), { signal }))
      if (part.length > 0) break;
    const controller = new AbortController();
    await link.files.archive(join(root, "source"), { signal: controller.signal });
    controller.abort();
  }
  await eventually("the agent has closed the files", async () => (await descriptors()) <= before);
});
