import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { CommandHelper, identifyProcess, isAlive, signalProcess } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

const helper = new CommandHelper();
after(() => helper[Symbol.dispose]());
const { run } = helper;

/** The process that starts the programs. */
async function processOf(one: CommandHelper): Promise<ProcessIdentity> {
  const { stdout } = await one.run(["sh", "-c", "echo $PPID"]);
  const found = await identifyProcess(Number(stdout));
  assert.ok(found);
  return found;
}

test("programs are started by another process, with their input, files, output and exit code", async () => {
  assert.notEqual((await processOf(helper)).pid, process.pid);
  const pieces: string[] = [];
  const result = await run(["sh", "-c", "cat; cat /dev/fd/3; echo why >&2; exit 3"], {
    input: "input ",
    files: ["file"],
    onStdout: (text) => pieces.push(text),
  });
  assert.deepEqual(result, { code: 3, stdout: "input file", stderr: "why\n" });
  assert.equal(pieces.join(""), "input file");
  assert.equal((await run(["sh", "-c", "echo $WRENN_TEST"], { env: { WRENN_TEST: "set" } })).stdout, "set\n");
});

test("many commands at once each get their own result", async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, at) => run(["sh", "-c", `echo ${at}; exit ${at}`])),
  );
  assert.deepEqual(
    results.map(({ code, stdout }) => [code, stdout]),
    Array.from({ length: 20 }, (_, at) => [at, `${at}\n`]),
  );
});

test("a missing program is named, and an aborted command is killed", async () => {
  await assert.rejects(run(["no-such-program-anywhere"]), {
    reason: "dependency_missing",
    message: /no-such-program-anywhere/,
  });
  const abort = new AbortController();
  let pid = 0;
  const running = run(["sh", "-c", "echo $$; exec sleep 60"], {
    signal: abort.signal,
    onStdout: (text) => (pid = Number(text)),
  });
  await eventually("it runs", () => pid > 0);
  const sleeper = await identifyProcess(pid);
  assert.ok(sleeper);
  abort.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
  assert.equal(await isAlive(sleeper), false);
});

test("a command whose helper is killed fails, and the next one has another helper", async () => {
  const fragile = new CommandHelper();
  const first = await processOf(fragile);
  let hasBegun = false;
  const running = fragile.run(["sh", "-c", "echo begun; sleep 1"], { onStdout: () => (hasBegun = true) });
  await eventually("it runs", () => hasBegun);
  await signalProcess(first, "SIGKILL");
  await assert.rejects(running, { reason: "command_failed" });
  const second = await processOf(fragile);
  assert.notEqual(second.pid, first.pid);
  fragile[Symbol.dispose]();
  await eventually("it ends with its owner", async () => !(await isAlive(second)));
});

test("a program that closes its output and runs on is not waited for, and outlives the helper", async () => {
  const short = new CommandHelper();
  const starter = await processOf(short);
  const { stdout } = await short.run(["sh", "-c", "echo $$; exec sleep 60 >&- 2>&-"], {
    untilOutputEnds: true,
  });
  const program = await identifyProcess(Number(stdout));
  assert.ok(program);
  short[Symbol.dispose]();
  await eventually("the helper ends", async () => !(await isAlive(starter)));
  assert.equal(await isAlive(program), true);
  await signalProcess(program, "SIGKILL");
});
