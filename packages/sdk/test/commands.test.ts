import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import type { CommandResult } from "../src/commands/command-result.ts";
import { isWrennError } from "../src/errors/wrenn-error.ts";
import type { WrennErrorFields } from "../src/errors/wrenn-error.ts";
import { sleep } from "../src/transport/abort.ts";
import { ScriptedCapsule } from "./support/scripted-capsule.ts";

const resultOf = ({ details = {} }: WrennErrorFields): CommandResult => details["result"] as CommandResult;

test("a command that ends in time takes one request", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("out ä\n");
    process.print("err\n", "stderr");
    process.end({ exit_code: 3 });
  });
  const result = await capsule.commands().run("exit 3", { envs: { A: "1" }, cwd: "/tmp", user: "user" });
  assert.deepEqual(result, {
    stdout: "out ä\n",
    stderr: "err\n",
    exitCode: 3,
    durationMs: 7,
    droppedBytes: { stdout: 0, stderr: 0 },
    truncatedBytes: { stdout: 0, stderr: 0 },
  });
  assert.deepEqual(capsule.requests, ["POST /exec"]);
  const { cmd, args, envs, cwd, user, tag, ...rest } = capsule.process.body;
  assert.deepEqual(rest, { wait_sec: 10 });
  assert.deepEqual(
    { cmd, args, envs, cwd, user },
    {
      cmd: "/bin/sh",
      args: ["-c", "exit 3"],
      envs: { A: "1" },
      cwd: "/tmp",
      user: "user",
    },
  );
  assert.match(String(tag), /^sdk-[0-9a-f]{16}$/);
});

test("with args the command is a program, and limits and time are those of the wire", async () => {
  await using capsule = await ScriptedCapsule.start();
  await capsule.commands().run("python3", {
    args: ["-c", "1"],
    limits: { openFiles: 10, addressSpaceBytes: 1 << 30 },
    timeoutMs: 1500,
  });
  const { cmd, args, limits, timeout_sec: timeoutSec } = capsule.process.body;
  assert.deepEqual(
    { cmd, args, limits, timeoutSec },
    {
      cmd: "python3",
      args: ["-c", "1"],
      limits: { open_files: 10, address_space_bytes: 1 << 30 },
      timeoutSec: 2,
    },
  );
});

test("a command that goes on is followed from where the answer ends, exactly", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("one ");
    setTimeout(() => process.print("two"), 20);
    setTimeout(() => process.end(), 40);
  });
  const { stdout, exitCode } = await capsule.commands().run("x");
  assert.deepEqual([stdout, exitCode], ["one two", 0]);
  assert.deepEqual(capsule.requests, ["POST /exec", `GET /processes/${capsule.process.tag}/output`]);
});

test("a callback gets the output, of which no copy is kept; the other stream is a result", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("out");
    process.print("err", "stderr");
    setTimeout(() => process.end(), 20);
  });
  let seen = "";
  const result = await capsule.commands().run("x", { onStdout: (text) => void (seen += text) });
  assert.deepEqual([seen, result.stdout, result.stderr], ["out", "", "err"]);
});

test("a callback that takes its time is waited for, chunk by chunk", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("abc");
    setTimeout(() => process.end(), 10);
  });
  capsule.frameBytes = 1;
  let running = 0;
  let most = 0;
  const onStdout = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await sleep(10);
    running--;
  };
  await capsule.commands().run("x", { onStdout });
  assert.deepEqual([running, most], [0, 1]);
});

test("an abort and a time limit do not wait for a callback that does not return", async () => {
  await using capsule = await ScriptedCapsule.start((process) => process.print("x"));
  const onStdout = async (): Promise<void> => await new Promise(() => undefined);
  const signal = AbortSignal.timeout(50);
  await assert.rejects(capsule.commands().run("x", { onStdout, signal }), { name: "TimeoutError" });
});

test("a throwing callback ends the command and rejects that call only", async () => {
  await using capsule = await ScriptedCapsule.start((process) => process.print("x"));
  const commands = capsule.commands();
  const fault = new Error("the callback's own");
  const other = commands.run("y", { onStdout: () => undefined });
  await assert.rejects(
    commands.run("x", {
      tag: "throws",
      onStdout: () => {
        throw fault;
      },
    }),
    fault,
  );
  assert.deepEqual(capsule.processes.get("throws")?.signals, ["SIGTERM", "SIGKILL"]);
  const [first] = capsule.processes.values();
  assert.deepEqual(first?.signals, []);
  first?.end({ exit_code: 5 });
  assert.equal((await other).exitCode, 5);
});

test("an abort ends the command and everything it started, then rejects with its reason", async () => {
  const reason = new Error("enough");
  for (const options of [{}, { onStdout: () => undefined }]) {
    await using capsule = await ScriptedCapsule.start();
    capsule.program = () => undefined;
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(capsule.commands().run("x", { ...options, signal: controller.signal }), reason);
    assert.deepEqual(capsule.process.signals, ["SIGTERM", "SIGKILL"]);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  }
});

test("a command is not started for a signal that has aborted", async () => {
  await using capsule = await ScriptedCapsule.start();
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(capsule.commands().run("x", { signal }), reason);
  await assert.rejects(capsule.commands().run("x", { signal, background: true }), reason);
  assert.deepEqual(capsule.requests, []);
});

test("when its time is up a command is ended, and the error has what it printed", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("begun\n");
    process.onSignal = () => {
      process.print("ending\n");
      process.end({ exit_code: 143, signal: 15 });
    };
  });
  await assert.rejects(capsule.commands().run("x", { timeoutMs: 60 }), (error: unknown) => {
    assert.ok(isWrennError(error, "command_timed_out"));
    const { stdout, exitCode, signal } = resultOf(error);
    assert.deepEqual({ stdout, exitCode, signal }, { stdout: "begun\nending\n", exitCode: 124, signal: 15 });
    return true;
  });
  assert.deepEqual(capsule.process.signals, ["SIGTERM", "SIGKILL"]);
});

test("a time limit that the server enforces is the same error", async () => {
  await using capsule = await ScriptedCapsule.start((process) =>
    process.end({ exit_code: 124, timed_out: true }),
  );
  await assert.rejects(capsule.commands().run("x", { timeoutMs: 1000 }), { code: "command_timed_out" });
});

test("check turns an exit code into an error", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("first\nno such file\n", "stderr");
    process.end({ exit_code: 2 });
  });
  await assert.rejects(capsule.commands().run("x", { check: true, tag: "t" }), (error: unknown) => {
    assert.ok(isWrennError(error, "command_failed"));
    assert.equal(error.message, "command t ended with exit code 2: no such file");
    assert.equal(resultOf(error).exitCode, 2);
    return true;
  });
});

test("output beyond maxOutputBytes is cut between characters and counted", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("ab\u{1F600}\u{1F600}");
    setTimeout(() => process.end(), 10);
  });
  capsule.frameBytes = 3;
  const result = await capsule.commands().run("x", { maxOutputBytes: 8 });
  assert.deepEqual([result.stdout, result.truncatedBytes], ["ab\u{1F600}", { stdout: 4, stderr: 0 }]);
});

test("dropped bytes are counted, and a character does not reach over the gap", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print(Buffer.from([0x61, 0xc3]));
    setTimeout(() => {
      process.print(Buffer.from("12345\u00e4"));
      process.forget(7);
      process.end();
    }, 30);
  });
  const result = await capsule.commands().run("x");
  assert.deepEqual([result.stdout, result.droppedBytes], ["a\ufffd\u00e4", { stdout: 5, stderr: 0 }]);
});

test("raw bytes are available in results and callbacks", async () => {
  const raw = Buffer.from([0, 255, 195, 10]);
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print(raw);
    process.end();
  });
  const { stdoutBytes, stderrBytes, stdout } = await capsule.commands().run("x", { encoding: "bytes" });
  assert.deepEqual([Buffer.from(stdoutBytes), stderrBytes.length, stdout], [raw, 0, "\0\ufffd\ufffd\n"]);
  const seen: Uint8Array[] = [];
  await capsule.commands().run("x", { encoding: "bytes", onStdout: (bytes) => void seen.push(bytes) });
  assert.deepEqual(Buffer.concat(seen), raw);
});

test("unknown and wrong options are refused by name before anything is sent", async () => {
  await using capsule = await ScriptedCapsule.start();
  const commands = capsule.commands();
  for (const [options, code, message] of [
    [{ timeout: 5 }, "unknown_option", /'timeout'/],
    [{ background: true, onStdout: () => undefined }, "unknown_option", /'onStdout'/],
    [{ limits: { files: 5 } }, "unknown_option", /'files'/],
    [{ timeoutMs: -1 }, "invalid_option", /timeoutMs/],
    [{ maxOutputBytes: 0.5 }, "invalid_option", /maxOutputBytes/],
    [{ encoding: "latin1" }, "invalid_option", /encoding must be text or bytes/],
    [{ stdin: true }, "invalid_option", /stdin/],
    [{ onStdout: "log" }, "invalid_option", /onStdout/],
  ] as const)
    await assert.rejects(commands.run("x", options as object), { code, message });
  await assert.rejects(commands.run(""), { code: "invalid_option" });
  assert.deepEqual(capsule.requests, []);
});

test("processes are listed, described, signalled and killed", async () => {
  await using capsule = await ScriptedCapsule.start();
  capsule.program = (process) => process.print("x");
  const commands = capsule.commands();
  const { pid, tag } = await commands.run("x", { background: true, tag: "a b" });
  const { startedAt: _startedAt, ...details } = await commands.get(tag);
  assert.deepEqual(details, { pid, tag: "a b", cmd: "x", args: [], isTerminal: false });
  assert.equal(await commands.signal(tag, "SIGHUP"), true);
  assert.equal(await commands.signal("none", "SIGHUP"), false);
  assert.deepEqual(capsule.process.signals, ["SIGHUP"]);
  await assert.rejects(commands.get("none"), (error) => isWrennError(error, "process_not_found"));
});
