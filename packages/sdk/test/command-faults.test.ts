import assert from "node:assert/strict";
import { test } from "node:test";
import { isWrennError } from "../src/errors/wrenn-error.ts";
import { sleep } from "../src/transport/abort.ts";
import { ScriptedCapsule } from "./support/scripted-capsule.ts";
import type { Program } from "./support/scripted-process.ts";

/** Prints in pieces that cut characters, and ends. */
const slowly: Program = (process) => {
  const bytes = Buffer.from("äöü\u{1F600}".repeat(20));
  let at = 0;
  const timer = setInterval(() => {
    process.print(bytes.subarray(at, at + 7));
    at += 7;
    if (at < bytes.length) return;
    clearInterval(timer);
    process.end({ exit_code: 4 });
  }, 2);
};
const printed = "äöü\u{1F600}".repeat(20);

test("a start whose answer is lost is found again by its tag, and the command runs once", async () => {
  for (const options of [{}, { onStdout: () => undefined }]) {
    await using capsule = await ScriptedCapsule.start((process) => process.end({ exit_code: 6 }));
    capsule.faults.push({ on: /exec/, cut: "after" });
    assert.equal((await capsule.commands().run("x", options)).exitCode, 6);
    assert.equal(capsule.processes.size, 1);
    const { tag } = capsule.process;
    assert.deepEqual(capsule.requests, [
      "POST /exec",
      `GET /processes/${tag}`,
      `GET /processes/${tag}/output`,
    ]);
  }
});

test("a start that did not arrive is sent again with the same tag", async () => {
  await using capsule = await ScriptedCapsule.start();
  capsule.faults.push({ on: /exec/, cut: "before" }, { on: /GET/, cut: "before" });
  const notices: string[] = [];
  await capsule.commands({ onRetry: ({ method }) => notices.push(method) }).run("x");
  assert.equal(capsule.processes.size, 1);
  assert.deepEqual(
    capsule.requests.map((line) => line.replace(capsule.process.tag, "T")),
    ["POST /exec", "GET /processes/T", "GET /processes/T", "POST /exec"],
  );
  assert.deepEqual(notices, ["POST", "POST"]);
});

test("a server that refuses connections is reported after a few attempts", async () => {
  const capsule = await ScriptedCapsule.start();
  const commands = capsule.commands({ retries: 1 });
  await capsule[Symbol.asyncDispose]();
  await assert.rejects(commands.run("x"), { code: "connection_failed" });
});

test("a start that stays uncertain is reported as such, with the tag", async () => {
  await using capsule = await ScriptedCapsule.start();
  for (let n = 0; n < 20; n++) capsule.faults.push({ on: /./, cut: "before" });
  await assert.rejects(capsule.commands({ resumeMs: 200 }).run("x", { tag: "t" }), (error) => {
    assert.ok(isWrennError(error, "stream_lost"));
    assert.deepEqual(error.details, { tag: "t" });
    return true;
  });
});

test("a stream that is cut at any byte goes on exactly where it was", async () => {
  for (const afterBytes of [0, 1, 7, 9, 60, 61, 62, 63, 75, 90, 120]) {
    await using capsule = await ScriptedCapsule.start(slowly);
    capsule.faults.push(
      { on: /output/, cut: { afterBytes } },
      { on: /output/, cut: { afterBytes: afterBytes + 50 } },
    );
    let seen = "";
    const result = await capsule.commands().run("x", { onStdout: (text) => void (seen += text) });
    assert.deepEqual(
      [seen, result.exitCode, result.droppedBytes.stdout],
      [printed, 4, 0],
      `cut after ${afterBytes}`,
    );
  }
});

test("a stream that falls silent is resumed", async () => {
  await using capsule = await ScriptedCapsule.start(slowly);
  capsule.faults.push({ on: /output/, cut: "silent" });
  let seen = "";
  await capsule.commands({ silenceMs: 100 }).run("x", { onStdout: (text) => void (seen += text) });
  assert.equal(seen, printed);
  assert.equal(capsule.requests.filter((line) => line.endsWith("/output")).length, 2);
});

test("a stream that cannot be resumed is an error with what is known", async () => {
  await using capsule = await ScriptedCapsule.start((process) => process.print("so far"));
  capsule.faults.push({ on: /output/, cut: { afterBytes: 20 } });
  for (let n = 0; n < 20; n++) capsule.faults.push({ on: /output/, cut: "before" });
  await assert.rejects(capsule.commands({ resumeMs: 200 }).run("x", { tag: "t" }), (error) => {
    assert.ok(isWrennError(error, "stream_lost"));
    const { tag, result } = error.details as { tag: string; result: { stdout: string; exitCode: number } };
    assert.deepEqual([tag, result.stdout, result.exitCode], ["t", "so far", -1]);
    assert.match(error.remedy ?? "", /commands\.connect\('t'\)/);
    return true;
  });
});

test("what is not an output stream is an error, and the command is ended", async () => {
  await using capsule = await ScriptedCapsule.start((process) => process.print("x"));
  const respond: typeof fetch = async (input, init) =>
    new Request(input).url.includes("/output")
      ? new Response("<html>a proxy's page</html>")
      : await fetch(input, init);
  await assert.rejects(capsule.commands({ fetch: respond }).run("x"), { code: "invalid_answer" });
  assert.deepEqual(capsule.process.signals, ["SIGTERM", "SIGKILL"]);
});

test("input arrives once and in order, whichever requests are lost", async () => {
  await using capsule = await ScriptedCapsule.start(() => undefined);
  const handle = await capsule.commands().run("cat", { background: true, stdin: true });
  capsule.faults.push(
    { on: /input/, cut: "after" },
    { on: /input/, cut: "before" },
    { on: /input/, cut: "after" },
  );
  const big = Buffer.alloc(1_200_000, "0123456789");
  await Promise.all([
    handle.sendStdin("first "),
    handle.sendStdin(big),
    handle.sendStdin(" ä"),
    handle.closeStdin(),
  ]);
  assert.equal(capsule.process.input.toString(), `first ${big.toString()} ä`);
  assert.equal(capsule.process.isInputClosed, true);
  await assert.rejects(handle.sendStdin("late"), (error) => isWrennError(error, "stdin_closed"));
});

test("a process that does not read is waited for, until an abort; what follows is exact all the same", async () => {
  await using capsule = await ScriptedCapsule.start(() => undefined);
  const handle = await capsule.commands().run("x", { background: true, stdin: true });
  const { process } = capsule;
  process.inputRoom = 4;
  const sent = handle.sendStdin("0123456789");
  await sleep(50);
  assert.equal(process.input.toString(), "0123");
  process.inputRoom = 100;
  await sent;
  assert.equal(process.input.toString(), "0123456789");
  process.inputRoom = 2;
  const reason = new Error("enough");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(handle.sendStdin("abcdef", { signal: controller.signal }), reason);
  // The request that was given up has reached the server.
  await sleep(50);
  process.inputRoom = 100;
  await handle.sendStdin("XYZ");
  assert.equal(process.input.toString(), "0123456789abXYZ");
});
