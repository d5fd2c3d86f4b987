import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { ProcessExit, StartRequest } from "@wrenn/protocol";
import fc from "fast-check";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";
import { TestCgroup } from "./support/test-cgroup.ts";

const signal = AbortSignal.timeout(1_200_000);
const cgroup = await TestCgroup.make();
const agent = await NativeAgent.start(cgroup?.path);
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await cgroup?.remove();
});

/** A command that is over at once, and what must be seen of it. */
interface Short {
  readonly out: number;
  readonly err: number;
  readonly end: { readonly code: number } | { readonly signal: number };
  /** A descendant lives a little longer and holds the pipes. */
  readonly heldOpen: boolean;
  readonly kind: "attached" | "detached" | "terminal";
}

const length = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 5000 }),
  fc.constant(65_537),
);
const short: fc.Arbitrary<Short> = fc.record({
  out: length,
  err: length,
  end: fc.oneof(
    fc.record({ code: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ signal: fc.constantFrom(1, 6, 9, 15) }),
  ),
  heldOpen: fc.boolean(),
  kind: fc.constantFrom("attached", "attached", "detached", "terminal"),
});

/** So many zeros, by the shell's own printf. */
const zeros = (count: number): string => (count === 0 ? ":" : `printf %0${count}d 0`);

function encode({ out, err, end, heldOpen, kind }: Short): StartRequest {
  const line = [
    heldOpen ? "sleep 0.3 &" : "",
    `${zeros(out)};`,
    `${zeros(err)} >&2;`,
    "code" in end ? `exit ${end.code}` : `kill -${end.signal} $$`,
  ].join(" ");
  if (kind === "terminal") return request("sh", ["-c", line], { terminal: { cols: 80, rows: 24 } });
  return request("sh", ["-c", line], { output: kind });
}

async function check(command: Short): Promise<void> {
  const process = await link.processes.start(encode(command), signal);
  const { stdout, stderr, exit, dropped } = await collect(process);
  const expected: ProcessExit =
    "code" in command.end
      ? { exitCode: command.end.code }
      : { exitCode: 128 + command.end.signal, signal: command.end.signal };
  const sizes = command.kind === "terminal" ? [command.out + command.err, 0] : [command.out, command.err];
  assert.deepEqual([[stdout.length, stderr.length], exit, dropped], [sizes, expected, []]);
  assert.match(stdout.toString(), /^0*$/);
}

const batches = process.env["WRENN_TEST_LONG"] ? 2000 : 150;

test("commands that end in 1 ms lose neither output nor exit code, and leave nothing behind", async (t) => {
  const descriptors = async (): Promise<number> => (await readdir(`/proc/${agent.pid}/fd`)).length;
  const before = await descriptors();
  let commands = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(short, { minLength: 1, maxLength: 60, size: "max" }), async (batch) => {
      commands += batch.length;
      await Promise.all(batch.map(check));
    }),
    { numRuns: batches, endOnFailure: true, interruptAfterTimeLimit: 1_000_000 },
  );
  t.diagnostic(`${commands} commands`);
  assert.ok(commands > batches * 10);
  await eventually("the agent has closed the files", async () => (await descriptors()) <= before);
});
