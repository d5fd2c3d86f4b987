import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runScript } from "../support/kernel-machine.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Alone: a machine of eight processors leaves none to others. */

const skip =
  process.env["WRENN_TEST_LONG"] === "1" ? false : "only with --long: freezes a template for each shape";

/** How much of the memory that was asked for the kernel shows at least. */
const SHAPES = [
  { vcpus: 1, memory_mb: 256, shown: 0.85 },
  { vcpus: 8, memory_mb: 512, shown: 0.9 },
  { vcpus: 2, memory_mb: 4096, shown: 0.95 },
];

let server: TestServer;
before(async () => {
  if (skip === false) server = await startTestServer();
});
after(() => server?.close());

for (const { vcpus, memory_mb, shown } of SHAPES)
  test(
    `a capsule has the processors and the memory that were asked for: ${vcpus}, ${memory_mb} MiB`,
    { skip },
    async (t) => {
      const id = await server.capsule(t, { vcpus, memory_mb });
      const facts = await runScript(
        server,
        id,
        "nproc; cat /sys/devices/system/cpu/{online,present}; awk '/^MemTotal/ { print $2 }' /proc/meminfo",
      );
      const [processors, online, present, memory] = facts.split("\n");
      const all = vcpus === 1 ? "0" : `0-${vcpus - 1}`;
      assert.deepEqual([processors, online, present], [String(vcpus), all, all]);
      const share = Number(memory) / 1024 / memory_mb;
      assert.ok(share > shown && share <= 1, `${memory} KiB`);
    },
  );
