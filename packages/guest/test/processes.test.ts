import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { collect, request, shell } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
});

test("output, errors and exit code are exact", async () => {
  const { stdout, stderr, exit } = await shell(link, "printf out; printf err >&2; exit 7");
  assert.deepEqual([stdout.toString(), stderr.toString(), exit], ["out", "err", { exitCode: 7 }]);
});

test("death by signal is 128 + n with the signal named", async () => {
  assert.deepEqual((await shell(link, "kill -9 $$")).exit, { exitCode: 137, signal: 9 });
});

test("ten megabytes of both streams arrive byte-exact through a slow reader", async () => {
  const process = await link.processes.start(
    request("sh", ["-c", "head -c 10000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait"]),
    signal,
  );
  let stdout = 0;
  let stderr = 0;
  for await (const event of process.output("oldest", signal)) {
    if (event.type !== "data") continue;
    if (event.stream === "stdout") stdout += event.bytes.length;
    else stderr += event.bytes.length;
    if (Math.random() < 0.02) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.deepEqual([stdout, stderr], [10_000_000, 5_000_000]);
});

test("an attached process waits for its reader; a detached one never does", async () => {
  const attached = await link.processes.start(
    request("sh", ["-c", "head -c 8000000 /dev/zero; echo done >&2"]),
    signal,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(attached.facts.exit, undefined, "nobody reads, so it cannot have finished");
  const all = await collect(attached);
  assert.deepEqual([all.stdout.length, all.stderr.toString(), all.dropped], [8_000_000, "done\n", []]);

  const detached = await link.processes.start(
    request("sh", ["-c", "head -c 8000000 /dev/zero"], { output: "detached" }),
    signal,
  );
  assert.deepEqual(await detached.wait(signal), { exitCode: 0 });
  const rest = await collect(detached);
  assert.equal(rest.dropped.length > 0, true, "what fell out is announced");
  const lost = rest.dropped.map((range) => range.replace("stdout ", "").split("-").map(Number));
  const missing = lost.reduce((sum, [from = 0, to = 0]) => sum + to - from, 0);
  assert.equal(rest.stdout.length + missing, 8_000_000);
});

test("standard input is passed on exactly and closed", async () => {
  const process = await link.processes.start(request("sha256sum", [], { stdin: true }), signal);
  for (let part = 0; part < 64; part++) await process.write(Buffer.alloc(65_536, part), signal);
  await process.closeInput(signal);
  const expected = (await import("node:crypto")).createHash("sha256");
  for (let part = 0; part < 64; part++) expected.update(Buffer.alloc(65_536, part));
  assert.equal((await collect(process)).stdout.toString(), `${expected.digest("hex")}  -\n`);
  await assert.rejects(process.write(Buffer.from("late"), signal), (error) =>
    WrennError.is(error, "stdin_closed"),
  );
});

test("a grandchild that holds the pipe does not delay the exit", async () => {
  const start = performance.now();
  const { stdout, exit } = await shell(link, "echo first; sleep 30 & echo second; exit 3");
  assert.deepEqual([stdout.toString(), exit], ["first\nsecond\n", { exitCode: 3 }]);
  assert.ok(performance.now() - start < 20_000);
});

test("a kill of the tree reaches every descendant", async () => {
  const process = await link.processes.start(
    request("sh", ["-c", "sleep 1000 & sleep 1000 & echo ready; wait"]),
    signal,
  );
  for await (const event of process.output("oldest", signal)) if (event.type === "data") break;
  await process.kill(9, "tree", signal);
  assert.deepEqual(await process.wait(signal), { exitCode: 137, signal: 9 });
});

test("environment, working directory and missing things", async () => {
  assert.equal(
    (await shell(link, 'echo "$A:$(pwd)"', { envs: { A: "1 = 2" }, cwd: "/usr" })).stdout.toString(),
    "1 = 2:/usr\n",
  );
  await assert.rejects(shell(link, "true", { cwd: "/nowhere" }), (error) =>
    WrennError.is(error, "cwd_not_found"),
  );
  await assert.rejects(shell(link, "true", { user: "nobody-here" }), (error) =>
    WrennError.is(error, "user_not_found"),
  );
  const missing = await collect(await link.processes.start(request("no-such-program"), signal));
  assert.deepEqual(
    [missing.exit, missing.stderr.toString()],
    [{ exitCode: 127 }, "no-such-program: not found\n"],
  );
});

test("an argument list that the kernel would refuse is an error of the request", async () => {
  const tooLong = (error: unknown): boolean => WrennError.is(error, "argument_list_too_long");
  const start = async (args: readonly string[], envs = {}): Promise<unknown> =>
    await link.processes.start(request("true", args, { envs }), signal);
  await assert.rejects(start(["x".repeat(131_072)]), tooLong);
  await assert.rejects(start([], { LONG: "x".repeat(131_072) }), tooLong);
  await assert.rejects(start(Array.from({ length: 30 }, () => "x".repeat(100_000))), tooLong);
  const longest = await shell(link, 'echo "${#0}"', { args: ["-c", 'echo "${#0}"', "x".repeat(131_071)] });
  assert.equal(longest.stdout.toString(), "131071\n");
});

test("resource limits hold for the process and are checked", async () => {
  const limits = {
    openFiles: { soft: 77, hard: 99 },
    coreBytes: { soft: 0, hard: Infinity },
    fileBytes: { soft: 4096, hard: 4096 },
  };
  const { stdout } = await shell(link, "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc", { limits });
  assert.equal(stdout.toString(), "77\n99\n0\nunlimited\n");
  const writing = await shell(
    link,
    "f=$(mktemp); head -c 100000 /dev/zero > $f; code=$?; rm $f; exit $code",
    { limits },
  );
  assert.notEqual(writing.exit?.exitCode, 0);
  for (const [soft, hard] of [
    [2, 1],
    [-1, 1],
    [1.5, 2],
    [Number.NaN, 1],
  ] as const) {
    await assert.rejects(shell(link, "true", { limits: { processes: { soft, hard } } }), (error) =>
      WrennError.is(error, "invalid_field"),
    );
  }
});

test("processes are listed while they live and found by pid and tag", async () => {
  const process = await link.processes.start(
    request("sleep", ["1000"], { tag: "mine", output: "detached" }),
    signal,
  );
  const listed = await link.processes.list(signal);
  assert.ok(listed.some((facts) => facts.tag === "mine" && facts.cmd === "sleep"));
  await assert.rejects(link.processes.start(request("true", [], { tag: "mine" }), signal), (error) =>
    WrennError.is(error, "tag_in_use"),
  );
  assert.equal(await link.processes.find("mine", signal), process);
  assert.equal(await link.processes.find(String(process.facts.pid), signal), process);
  await process.kill(15, "group", signal);
  assert.deepEqual(await process.wait(signal), { exitCode: 143, signal: 15 });
  assert.ok(!(await link.processes.list(signal)).some((facts) => facts.tag === "mine"));
  await assert.rejects(link.processes.find("nothing", signal), (error) =>
    WrennError.is(error, "process_not_found"),
  );
});

test("a terminal echoes, has a size, takes Ctrl-C, and shows a late reader what was on it", async () => {
  const terminal = { cols: 90, rows: 30 };
  const process = await link.processes.start(
    request("bash", ["--norc"], { terminal, stdin: true, envs: { PS1: "$ " } }),
    signal,
  );
  const text = { all: "" };
  const reading = (async () => {
    for await (const event of process.output("oldest", signal))
      if (event.type === "data") text.all += Buffer.from(event.bytes).toString();
  })();
  const until = async (pattern: RegExp): Promise<void> => {
    await eventually(`${pattern} on the terminal`, () => pattern.test(text.all), { details: () => text.all });
  };
  await process.write(Buffer.from("stty size; tty; echo $TERM\n"), signal);
  await until(/30 90\r\n\/dev\/pts\/\d+\r\nxterm-256color/);
  await process.resize(100, 40, signal);
  await process.write(Buffer.from("stty size\n"), signal);
  await until(/40 100/);
  // What a job prints says that the terminal is its own, so that it gets the signal.
  await process.write(Buffer.from("sh -c 'echo be''gun; exec sleep 1000'\n"), signal);
  await until(/begun\r\n/);
  await process.write(Buffer.from("\u0003"), signal);
  await process.write(Buffer.from("echo code $?\n"), signal);
  await until(/code 130/);
  await process.write(Buffer.from("exit 5\n"), signal);
  assert.deepEqual(await process.wait(signal), { exitCode: 5 });
  await reading;
  const late: string[] = [];
  for await (const event of process.output("oldest", signal))
    late.push(event.type === "resized" ? `${event.cols}x${event.rows}` : event.type);
  assert.deepEqual([late.includes("90x30"), late.includes("100x40"), late.at(-1)], [true, true, "exit"]);
});
