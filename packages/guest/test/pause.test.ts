import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const runs = process.env["WRENN_TEST_LONG"] ? 100 : 8;
const wait = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

/** Cuts the link, lets the guest stand still, and wakes it: what a pause looks like from here. */
async function pauseAndResume(
  agent: NativeAgent,
  link: Awaited<ReturnType<NativeAgent["connect"]>>,
  ms: number,
): Promise<void> {
  link.suspend();
  process.kill(agent.pid, "SIGSTOP");
  await wait(ms);
  process.kill(agent.pid, "SIGCONT");
  await link.resume(AbortSignal.timeout(10_000));
}

test("a link survives pauses at any moment: streams and requests just take longer", async () => {
  const pauses = fc.array(
    fc.record({ after: fc.integer({ min: 0, max: 30 }), frozen: fc.integer({ min: 0, max: 30 }) }),
    { minLength: 1, maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(pauses, async (plan) => {
      await using agent = await NativeAgent.start();
      const link = await agent.connect();
      const counting = await link.processes.start(request("sh", ["-c", "seq 1 60000; exit 9"]), signal);
      const numbers = collect(counting);
      const hashing = await link.processes.start(request("sha256sum", [], { stdin: true }), signal);
      const hash = collect(hashing);
      const input = randomBytes(600_000);
      const writing = (async () => {
        for (let at = 0; at < input.length; at += 20_000)
          await hashing.write(input.subarray(at, at + 20_000), signal);
        await hashing.closeInput(signal);
      })();
      for (const { after, frozen } of plan) {
        await wait(after);
        await pauseAndResume(agent, link, frozen);
      }
      await writing;
      const expected = Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join("");
      const { stdout, exit, dropped } = await numbers;
      assert.equal(stdout.toString(), expected);
      assert.deepEqual([exit, dropped], [{ exitCode: 9 }, []]);
      assert.equal(
        (await hash).stdout.toString(),
        `${createHash("sha256").update(input).digest("hex")}  -\n`,
      );
      await link.detach();
    }),
    { numRuns: runs, endOnFailure: true },
  );
});

test("what is asked during a pause is answered after it", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  link.suspend();
  const started = link.processes.start(request("echo", ["late"]), signal);
  const asked = link.info(signal);
  await wait(50);
  await link.resume(AbortSignal.timeout(10_000));
  assert.equal((await collect(await started)).stdout.toString(), "late\n");
  assert.ok((await asked).uptimeMs > 0);
  await link.detach();
});
