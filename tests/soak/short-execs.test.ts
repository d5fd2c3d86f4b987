import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const EXECS = long ? 10_000 : 300;
const STREAMS = long ? 200 : 40;

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

async function footprint(): Promise<{ fds: number; guestProcesses: number; guestMemory: number }> {
  const fds = (await readdir("/proc/self/fd")).length;
  const { stdout } = await server.shell(
    id,
    "ps --ppid 2 -p 2 --deselect -o pid= | wc -l; grep MemAvailable /proc/meminfo | tr -dc 0-9",
  );
  const [processes = 0, available = 0] = stdout.split("\n").map(Number);
  return { fds, guestProcesses: processes, guestMemory: available };
}

test(
  `${EXECS} short commands in a row lose no byte and no exit code, and nothing grows`,
  { timeout: 3_600_000 },
  async () => {
    for (let n = 0; n < 20; n++) await server.shell(id, "true");
    const before_ = await footprint();
    for (let n = 0; n < EXECS; n++) {
      const { body } = await server.exec(id, "sh", [
        "-c",
        `echo out ${n}; echo err ${n} >&2; exit ${n % 200}`,
      ]);
      assert.deepEqual([body.stdout, body.stderr, body.exit_code], [`out ${n}\n`, `err ${n}\n`, n % 200]);
    }
    const after_ = await footprint();
    assert.ok(after_.fds <= before_.fds + 5, `descriptors: ${before_.fds} → ${after_.fds}`);
    assert.ok(
      after_.guestProcesses <= before_.guestProcesses + 3,
      `processes: ${before_.guestProcesses} → ${after_.guestProcesses}`,
    );
    assert.ok(
      after_.guestMemory >= before_.guestMemory - 32_000,
      `available memory in the guest: ${before_.guestMemory} → ${after_.guestMemory} kB`,
    );
  },
);

test(`${STREAMS} streaming commands at once all deliver everything`, { timeout: 1_800_000 }, async () => {
  const clients = await Promise.all(
    Array.from({ length: STREAMS }, (_, n) =>
      StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, {
        type: "start",
        cmd: "sh",
        args: ["-c", `i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo ${n} $i; done; exit ${n % 100}`],
      }),
    ),
  );
  for (const [n, client] of clients.entries()) {
    assert.equal(await client.ended(1200), 1000);
    assert.equal(client.joined("stdout"), Array.from({ length: 20 }, (_, i) => `${n} ${i + 1}\n`).join(""));
    assert.equal(client.messages.at(-1)?.["exit_code"], n % 100);
  }
});
