import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { collect, request, shell } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const isRoot = process.geteuid?.() === 0;
const user = "nobody";
const signal = AbortSignal.timeout(60_000);

const agent = await NativeAgent.start();
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
});

test("a user's command opens its own standard streams", { skip: !isRoot }, async () => {
  for (const [line, stdout, stderr] of [
    ["echo error > /dev/stderr; echo output > /dev/stdout", "output\n", "error\n"],
    ["echo output > /proc/self/fd/1; echo error > /proc/self/fd/2", "output\n", "error\n"],
    ["echo both | tee /dev/stderr", "both\n", "both\n"],
    ["stat -L -c '%U %a' /dev/stdout /dev/stderr", "nobody 622\nnobody 622\n", ""],
  ] as const) {
    const ran = await shell(link, line, { user });
    assert.deepEqual(
      [ran.stdout.toString(), ran.stderr.toString(), ran.exit],
      [stdout, stderr, { exitCode: 0 }],
      line,
    );
  }
});

test("a user's command opens its standard input", { skip: !isRoot }, async () => {
  for (const args of [["/dev/stdin"], ["/proc/self/fd/0"]]) {
    const process = await link.processes.start(request("cat", args, { user, stdin: true }), signal);
    const collecting = collect(process);
    await process.write(Buffer.from("input\n"), signal);
    await process.closeInput(signal);
    assert.equal((await collecting).stdout.toString(), "input\n", args.join());
  }
  assert.equal((await shell(link, "cat /dev/stdin", { user })).stdout.toString(), "");
});

test("a command of root that goes on as another user keeps them", { skip: !isRoot }, async () => {
  const line = "echo error > /dev/stderr; echo output > /dev/stdout";
  const args = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", line];
  const { stdout, stderr } = await collect(await link.processes.start(request("setpriv", args), signal));
  assert.deepEqual([stdout.toString(), stderr.toString()], ["output\n", "error\n"]);
});

test("a terminal belongs to its user and to the group tty, as after a login", { skip: !isRoot }, async () => {
  const terminal = { cols: 80, rows: 24 };
  const line = "stat -c 'is %U %G %a' $(tty); echo also > /dev/stderr; echo and > /dev/tty";
  const process = await link.processes.start(request("sh", ["-c", line], { user, terminal }), signal);
  const { stdout } = await collect(process);
  assert.equal(stdout.toString(), "is nobody tty 620\r\nalso\r\nand\r\n");
});

test("a command inherits nothing of the agent but its streams", async () => {
  const program =
    "import os, signal, resource\n" +
    "print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])\n" +
    "print(open('/proc/self/oom_score_adj').read().strip(), oct(os.umask(0)), os.nice(0))\n" +
    "print([line for line in open('/proc/self/status') if line.startswith(('SigBlk', 'SigIgn'))])\n";
  // Python itself ignores two signals: what it was started with shows in a shell.
  const { stdout } = await collect(await link.processes.start(request("python3", ["-c", program]), signal));
  const [descriptors, settings] = stdout.toString().split("\n");
  assert.deepEqual([descriptors, settings], ["[0, 1, 2, 3]", "100 0o22 0"]);
  const masks = await shell(link, "grep -E 'SigBlk|SigIgn' /proc/self/status");
  assert.equal(
    masks.stdout.toString().replaceAll("\t", " "),
    "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n",
  );
  await eventually("a broken pipe ends a program", async () => {
    const piped = await collect(
      await link.processes.start(request("bash", ["-c", "yes | head -1; echo ${PIPESTATUS[*]}"]), signal),
    );
    return piped.stdout.toString() === "y\n141 0\n";
  });
});
