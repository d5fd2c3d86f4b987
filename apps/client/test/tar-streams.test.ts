import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { copyTarToOutput, unpackInput } from "../src/copy/tar-streams.ts";

/* The commands that capsules run, by the shell and the tar of this machine. */

type Side = Parameters<typeof unpackInput>[1];

const directory = await mkdtemp("/tmp/wrenn-tar-streams-");
after(() => rm(directory, { recursive: true, force: true }));
const options = { signal: AbortSignal.timeout(30_000), onProgress: () => undefined };

interface RunOptions {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly cwd: string;
  readonly onStdout: (chunk: Uint8Array) => void;
}

/** @param path - what commands are found by. */
function sideOf(parts: { readonly archive?: Uint8Array; readonly path?: string }): Side {
  const files = {
    mkdir: async (path: string) => {
      await mkdir(path, { recursive: true });
      return { path };
    },
    archive: async () => await Promise.resolve(new Blob([Buffer.from(parts.archive ?? [])]).stream()),
  };
  const run = async (line: string, { stdin, cwd, onStdout }: RunOptions) => {
    const env = { PATH: parts.path ?? process.env["PATH"] };
    const child = spawn("/bin/sh", ["-c", line], { cwd, env });
    child.stdout.on("data", onStdout);
    child.stdin.on("error", () => undefined);
    for await (const chunk of stdin) child.stdin.write(chunk);
    child.stdin.end();
    const [stderr, [exitCode]] = await Promise.all([buffer(child.stderr), once(child, "close")]);
    return { exitCode: exitCode as number, stderr: stderr.toString() };
  };
  const capsule = { files, commands: { run } } as unknown as Side["capsule"];
  const path = join(directory, "target");
  return { capsule, path, label: "web:/target", user: undefined, signal: options.signal };
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield await Promise.resolve(bytes.subarray(at, at + 700));
}

const source = join(directory, "source");
await mkdir(join(source, "sub"), { recursive: true });
await writeFile(join(source, "sub/x"), "x".repeat(5000));
await writeFile(join(source, "sub/new\nline"), "");
await chmod(join(source, "sub/x"), 0o4666);
await symlink("sub/x", join(source, "link"));
const archive = spawnSync("tar", ["-c", "."], { cwd: source }).stdout;

test("an archive is unpacked with its modes, without bits that give rights, and its entries are counted", async () => {
  const side = sideOf({});
  const unpacked = await unpackInput(inPieces(archive), side, options);
  assert.deepEqual(unpacked, { files: 2, directories: 2, links: 1, bytes: archive.length });
  assert.equal((await lstat(join(side.path, "sub/x"))).mode & 0o7777, 0o666);
  assert.equal((await readFile(join(side.path, "link"))).length, 5000);
});

test("what is no whole archive, and a capsule without tar, is a failure", async () => {
  const failures = [
    archive.subarray(0, 4000),
    Buffer.from("text".repeat(400)),
    gzipSync(archive),
    Buffer.of(),
  ];
  for (const input of failures)
    await assert.rejects(unpackInput(inPieces(input), sideOf({}), options), {
      code: "tar_failed",
      message: /^web:\/target: the archive was not unpacked completely: tar: /,
    });
  await assert.rejects(unpackInput(inPieces(archive), sideOf({ path: "/nowhere" }), options), {
    code: "tar_failed",
    message: /has no tar/,
  });
});

test("an archive goes to standard output without compression, never to a terminal, and not cut", async () => {
  const packed = gzipSync(archive);
  const stdout = new PassThrough() as unknown as NodeJS.WriteStream & PassThrough;
  const written = buffer(stdout);
  assert.equal(await copyTarToOutput(sideOf({ archive: packed }), stdout, options), archive.length);
  stdout.end();
  assert.ok((await written).equals(archive));
  const cut = new PassThrough().resume() as unknown as NodeJS.WriteStream;
  const half = sideOf({ archive: packed.subarray(0, packed.length - 20) });
  await assert.rejects(copyTarToOutput(half, cut, options), /unexpected end of file/);
  const terminal = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.WriteStream;
  await assert.rejects(copyTarToOutput(half, terminal, options), { code: "output_is_terminal" });
});
