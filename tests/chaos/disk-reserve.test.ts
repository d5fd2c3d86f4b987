/* Drawn: packages/host-agent/test/disk-reserve.test.ts shows the same on fake machines. */
import assert from "node:assert/strict";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import { ServerProcess } from "../support/server-process.ts";

/*
 * A server whose data directory, with its database, is on a small file system that a capsule tries to fill. The capsule is stalled
 * before the disk is full, and everything else goes on.
 */

const MIB = 2 ** 20;
/** More than the file system has. */
const WRITTEN_MIB = 1000;

const directory = await mkdtemp("/tmp/wrenn-chaos-");
/** Not a tmpfs: what a machine writes there counts as its memory. */
const image = `${directory}.ext4`;
await runCommand(["truncate", "--size", "12G", image]);
await runCommand(["mkfs.ext4", "-q", "-m", "0", image]);
await runCommand(["mount", "-o", "loop", image, directory]);
let server: ServerProcess | undefined;
after(async () => {
  await server?.stop();
  await runCommand(["umount", directory]);
  await rm(image);
  await rm(directory, { recursive: true, force: true });
});

interface Body {
  readonly id?: string;
  readonly status?: string;
  readonly problem?: string;
  readonly error?: { readonly reason: string; readonly remedy?: string };
}

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

test("a capsule that fills the disk waits; the database commits, other capsules answer, nothing new is written", async () => {
  server = await ServerProcess.start(directory);
  let { api } = server;
  const id = await api.capsule(undefined, { memory_mb: 256 });
  const other = await api.capsule(undefined, { memory_mb: 256 });
  // Other programs of the host have taken all but this.
  const filler = `${directory}/filler`;
  await runCommand(["fallocate", "--length", String((await freeBytes()) - 900 * MIB), filler]);
  const call = (method: string, path: string, request?: unknown) =>
    api.call<Body>(method, `/v1/capsules${path}`, request);
  const script = `dd if=/dev/zero of=/filled bs=1M count=${WRITTEN_MIB} conv=fsync 2>/dev/null && wc -c < /filled`;
  await api.exec(id, "sh", ["-c", script], { background: true, tag: "writer" });
  const waits = async (of: string): Promise<string | undefined> => (await call("GET", `/${of}`)).body.problem;
  const problem = await eventually("the writer waits", () => waits(id), { timeoutMs: 180_000 });
  assert.match(problem, /no space left/);
  const left = await freeBytes();
  assert.ok(left > 64 * MIB, `${left} bytes are left for the database`);

  assert.equal((await api.shell(other, "echo answers")).stdout, "answers\n");
  assert.equal(await waits(other), undefined);
  for (const [method, path, request] of [
    ["POST", "", { memory_mb: 256 }],
    ["POST", `/${other}/checkpoints`, {}],
    ["POST", `/${other}/fork`, { count: 1 }],
  ] as const) {
    const { status, body } = await call(method, path, request);
    assert.deepEqual([path, status, body.error?.reason], [path, 502, "disk_full"]);
  }
  // Each call of the API is a commit of the database.
  for (let n = 0; n < 200; n++) assert.equal((await call("POST", `/${other}/ping`)).status, 204);
  await server.kill();
  await server.start();
  ({ api } = server);
  assert.equal((await call("POST", `/${other}/ping`)).status, 204, "the database recovers on what is left");
  await eventually("the writer waits again", () => waits(id), { timeoutMs: 60_000 });

  await rm(filler);
  const exit = async (): Promise<string | undefined> => {
    const { body } = await api.call<{ readonly exit?: { readonly exit_code: number } }>(
      "GET",
      `/v1/capsules/${id}/processes/writer/logs`,
    );
    return body.exit && String(body.exit.exit_code);
  };
  const exitCode = await eventually("the writer has ended", exit, { timeoutMs: 180_000 });
  assert.equal(exitCode, "0", "what was written is on the disk");
  assert.equal((await api.shell(id, "wc -c < /filled")).stdout, `${WRITTEN_MIB * MIB}\n`);
  for (const one of [id, other]) assert.equal((await call("DELETE", `/${one}`)).status, 204);
});
