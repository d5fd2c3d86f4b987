import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { collect, request } from "./support/collect.ts";
import { CuttingProxy } from "./support/cutting-proxy.ts";
import { NativeAgent } from "./support/native-agent.ts";

const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 400_000 })), {
  minLength: 1,
  maxLength: 6,
});
const plan = fc.record({ cuts, stale: fc.integer({ min: 0, max: 50_000 }) });
const runs = process.env["WRENN_TEST_LONG"] ? 200 : 15;

test("whatever is cut, nothing is lost and nothing comes twice: output, input, exit codes, files", async () => {
  await fc.assert(
    fc.asyncProperty(plan, plan, async (interactive, bulk) => {
      const signal = AbortSignal.timeout(30_000);
      const directory = await mkdtemp("/tmp/wrenn-cuts-");
      await using agent = await NativeAgent.start();
      const paths = { interactive: join(directory, "a.sock"), bulk: join(directory, "b.sock") };
      await using first = await CuttingProxy.listen(paths.interactive, agent.interactive, interactive);
      await using second = await CuttingProxy.listen(paths.bulk, agent.bulk, bulk);
      const link = await agent.connect(paths);
      try {
        const numbers = link.processes
          .start(request("sh", ["-c", "seq 1 60000; seq 1 20000 >&2; exit 9"]), signal)
          .then((process) => collect(process));
        const hashed = (async () => {
          const input = randomBytes(700_000);
          const process = await link.processes.start(request("sha256sum", [], { stdin: true }), signal);
          const output = collect(process);
          for (let at = 0; at < input.length; at += 50_000)
            await process.write(input.subarray(at, at + 50_000), signal);
          await process.closeInput(signal);
          return {
            expected: `${createHash("sha256").update(input).digest("hex")}  -\n`,
            got: (await output).stdout.toString(),
          };
        })();
        const content = randomBytes(900_000);
        const path = join(directory, "file");
        await link.files.write(path, Readable.from([content]), { signal });
        const parts: Uint8Array[] = [];
        for await (const part of (await link.files.read(path, { signal })).bytes) parts.push(part);
        assert.ok(Buffer.concat(parts).equals(content), "the file came back changed");

        const { expected, got } = await hashed;
        assert.equal(got, expected);
        const output = await numbers;
        const sequence = (last: number): string =>
          `${Array.from({ length: last }, (_, index) => index + 1).join("\n")}\n`;
        assert.equal(output.stdout.toString(), sequence(60_000));
        assert.equal(output.stderr.toString(), sequence(20_000));
        assert.deepEqual([output.exit, output.dropped], [{ exitCode: 9 }, []]);
        assert.ok(first.cutCount + second.cutCount > 0, "nothing was cut");
      } finally {
        await link.detach();
        await rm(directory, { recursive: true, force: true });
      }
    }),
    { numRuns: runs, endOnFailure: true },
  );
});
