import assert from "node:assert/strict";
import { after, test } from "node:test";
import { EnvdLab } from "./support/envd-lab.ts";
import { bash, START, startAndLeave } from "./support/processes.ts";
import type { EventMessage } from "./support/processes.ts";
import { callJson, streamJson } from "./support/wire.ts";

const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());

test("a process that a signal ended has exit code -1 and the name of the signal", async () => {
  for (const [signal, text] of [
    ["SIGNAL_SIGTERM", "signal: terminated"],
    ["SIGNAL_SIGKILL", "signal: killed"],
  ] as const) {
    const { pid } = await startAndLeave(lab, "exec sleep 60");
    const joined = streamJson(lab, "process.Process/Connect", { process: { pid } });
    const { status, body } = await callJson(lab, "process.Process/SendSignal", { process: { pid }, signal });
    assert.equal(status, 200);
    assert.deepEqual(body, {});
    const end = ((await joined).at(-2) as EventMessage).event.end;
    assert.deepEqual(end, { exitCode: -1, status: text, error: text });
  }
  const none = await callJson(lab, "process.Process/SendSignal", { process: { pid: 1 } });
  assert.equal(none.status, 400);
});

test("whatever signal ends a process, its text is the one that E2B's agent has", async () => {
  const texts = {
    1: "hangup",
    4: "illegal instruction",
    24: "CPU time limit exceeded",
    31: "bad system call",
    40: "signal 40",
  };
  const ended = Object.entries(texts).map(async ([signal, text]) => {
    const messages = await streamJson(lab, START, bash(`kill -${signal} $$; sleep 5`));
    const error = `signal: ${text}`;
    assert.deepEqual((messages.at(-2) as EventMessage).event.end, { exitCode: -1, status: error, error });
  });
  await Promise.all(ended);
});

test("lists have variables and directory of a process as it was started, unless they are too long to keep", async () => {
  const envs = { ONE: "1", QUOTED: 'a"b' };
  const config = { cmd: "/bin/bash", args: ["-c", "exec sleep 60"], envs, cwd: "/tmp" };
  const start = async (process: object): Promise<number> =>
    (await startAndLeave(lab, "", {}, { process, stdin: false })).pid;
  const kept = await start(config);
  const long = await start({ ...config, envs: { LONG: "x".repeat(70_000) } });
  const { body } = await callJson(lab, "process.Process/List", {});
  const { processes } = body as { processes: { pid: number; config: object }[] };
  const configOf = (pid: number): object | undefined => processes.find((one) => one.pid === pid)?.config;
  assert.deepEqual(configOf(kept), config);
  assert.deepEqual(configOf(long), { cmd: config.cmd, args: config.args });
  for (const pid of [kept, long])
    await callJson(lab, "process.Process/SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
});

test("tags select processes, also those of digits, and are listed; tags of the platform are not", async () => {
  const own = await startAndLeave(lab, "exec sleep 60");
  const tagged = await startAndLeave(lab, "exec sleep 60", {}, { tag: "12345" });
  const { body } = await callJson(lab, "process.Process/List", {});
  const { processes } = body as { processes: { pid: number; tag?: string; config: object }[] };
  assert.deepEqual(
    processes.find(({ pid }) => pid === tagged.pid),
    { pid: tagged.pid, tag: "12345", config: { cmd: "/bin/bash", args: ["-c", "exec sleep 60"] } },
  );
  assert.equal(processes.find(({ pid }) => pid === own.pid)?.tag, undefined);
  const twice = await streamJson(lab, START, { ...bash("true"), tag: "12345" });
  assert.equal((twice[0] as { error: { code: string } }).error.code, "already_exists");
  for (const process of [{ tag: "12345" }, { pid: own.pid }]) {
    const killed = await callJson(lab, "process.Process/SendSignal", { process, signal: "SIGNAL_SIGKILL" });
    assert.equal(killed.status, 200);
  }
});
