import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const CYCLES = process.env["WRENN_TEST_LONG"] === "1" ? 50 : 12;

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

test(
  `${CYCLES} pauses and resumes keep a program's memory and do not slow it down`,
  { timeout: 1_800_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    const program =
      "import hashlib, time\ndata = bytearray(range(256)) * 1024\nn = 0\nwhile True:\n" +
      "  n += 1\n  open('/tmp/n', 'w').write(f'{n} {hashlib.sha256(data).hexdigest()}')\n  time.sleep(0.05)\n";
    await server.exec(id, "python3", ["-c", program], { background: true });
    const read = async (beyond: number): Promise<{ n: number; sum: string }> => {
      const look = async (): Promise<{ n: number; sum: string } | undefined> => {
        const { stdout } = await server.shell(id, "cat /tmp/n 2>/dev/null || true");
        const [n = "0", sum = ""] = stdout.split(" ");
        return Number(n) > beyond && sum.length === 64 ? { n: Number(n), sum } : undefined;
      };
      return await eventually(`the program counts beyond ${beyond}`, look, { intervalMs: 50 });
    };
    let last = await read(0);
    const times: number[] = [];
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await server.shell(id, `head -c 300000 /dev/urandom > /root/file-${cycle % 4}`);
      const start = performance.now();
      for (const verb of ["pause", "resume"]) {
        const { status, body } = await server.call("POST", `/v1/capsules/${id}/${verb}`);
        assert.equal(status, 200, JSON.stringify(body));
      }
      times.push(performance.now() - start);
      const now = await read(last.n);
      assert.equal(now.sum, last.sum);
      last = now;
    }
    const median = (part: readonly number[]): number =>
      part.toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
    const third = Math.floor(CYCLES / 3);
    const [early, late] = [median(times.slice(0, third)), median(times.slice(-third))];
    // Generous: a neighbour's load moves single cycles by more than this.
    assert.ok(
      late < early * 3 + 500,
      `a cycle took ${early.toFixed(0)} ms at first and ${late.toFixed(0)} ms at last`,
    );
    const disk = await server.shell(id, "cat /root/file-* | wc -c");
    assert.equal(disk.stdout.trim(), String(4 * 300_000));
  },
);
