/* Drawn: packages/host-agent/test shows the same on fake machines. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import { assertClock } from "../support/guest-clock.ts";
import { ServerProcess } from "../support/server-process.ts";

/*
 * The disk of the host becomes full while a guest writes. The guest's write waits, nothing of the capsule is saved or lost
 * meanwhile, also across a crash of the server, and everything continues when there is room again.
 */

const WRITTEN = 90_000_000;

let server: ServerProcess;
let capsules: string;
before(async () => {
  server = await ServerProcess.start();
  capsules = join(server.dataDirectory, "capsules");
  await mkdir(capsules, { recursive: true });
  await runCommand(["mount", "-t", "tmpfs", "-o", "size=64m,mode=711", "tmpfs", capsules]);
});
after(async () => {
  const { body } = await server.api.call<readonly { readonly id: string }[]>("GET", "/v1/capsules");
  for (const { id } of body) await server.api.call("DELETE", `/v1/capsules/${id}`);
  await runCommand(["umount", "--lazy", capsules]);
  await server.close();
});

interface Body {
  readonly status?: string;
  readonly problem?: string;
  readonly error?: { readonly reason: string };
}
interface Logs {
  readonly exit?: { readonly exit_code: number };
}

test("a capsule waits while its host's disk is full, also through a crash of the server, and loses nothing", async () => {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  const other = await server.api.capsule(undefined, { memory_mb: 256 });
  const call = (method: string, path: string, request?: unknown) =>
    server.api.call<Body>(method, `/v1/capsules/${id}${path}`, request);
  const script = `set -e; yes wrenn | head -c ${WRITTEN} > /filled; sync; echo 3 > /proc/sys/vm/drop_caches
yes wrenn | head -c ${WRITTEN} | cmp - /filled`;
  await server.api.exec(id, "sh", ["-c", script], { background: true, tag: "writer" });
  const waits = async (): Promise<string | undefined> => (await call("GET", "")).body.problem;
  assert.match(
    await eventually("the capsule says why it waits", waits),
    /no space left on .*\/disk of its host/,
  );

  const refused = async (path: string): Promise<void> => {
    const { status, body } = await call("POST", path, {});
    assert.deepEqual([path, status, body.error?.reason], [path, 502, "disk_full"]);
  };
  await refused("/pause");
  await refused("/checkpoints");
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${other}`)).status, 204);
  assert.equal((await call("GET", "")).body.status, "running");

  await server.kill();
  await server.start();
  assert.match(await eventually("the capsule still waits", waits), /no space left/);
  await refused("/pause");

  await runCommand(["mount", "-o", "remount,size=1g", capsules]);
  const ended = async (): Promise<Logs | undefined> => {
    const { body } = await server.api.call<Logs>("GET", `/v1/capsules/${id}/processes/writer/logs`);
    return body.exit ? body : undefined;
  };
  const { exit } = await eventually("the writer has ended", ended, { timeoutMs: 120_000 });
  assert.equal(exit?.exit_code, 0, "what was written is on the disk, unchanged");
  await eventually("the capsule waits no longer", async () => (await waits()) === undefined);
  assert.equal((await server.api.shell(id, "wc -c < /filled")).stdout, `${WRITTEN}\n`);
  // For the guest the wait has not passed.
  const hasTime = (): Promise<boolean> =>
    assertClock(server.api, id, "after the wait").then(
      () => true,
      () => false,
    );
  await eventually("the capsule has the host's time", hasTime, { timeoutMs: 5000 });
  assert.equal((await call("DELETE", "")).status, 204);
});
