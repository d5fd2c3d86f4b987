import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { MessageBudget } from "../src/qemu/message-budget.ts";
import { readAnswer } from "../src/qemu/qmp-answers.ts";
import type { QmpCommands } from "../src/qemu/qmp-commands.ts";
import { QmpViolation } from "../src/qemu/qmp-message.ts";
import { plainPath, RunStateMonitor } from "../src/qemu/run-state.ts";
import { answer, QmpPeer, send, usual } from "./support/qmp-peer.ts";

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

suite("a line that QEMU does not send ends the machine with an error that names it", () => {
  const lines: readonly (readonly [string, string, RegExp])[] = [
    ["null", "null", /not an object: null/],
    ["a list", "[]", /not an object/],
    ["text", "HTTP/1.1 200 OK", /not JSON: HTTP/],
    ["half a line", '{"return": {}, "id": ', /not JSON/],
    ["50,000 levels", "[".repeat(50_000), /not JSON/],
    ["50,000 levels that end", "[".repeat(50_000) + "]".repeat(50_000), /not an object/],
    ["an answer to no command", '{"return": {}, "id": 900}', /command 900, which was not sent/],
    ["an answer without a number", '{"return": {}}', /without the number/],
    ["an answer with a text as number", '{"return": {}, "id": "2"}', /without the number/],
    ["an answer without a result", '{"id": 2}', /without a result/],
    ["an error without a description", '{"error": {"desc": 5}, "id": 2}', /without a description/],
    ["an event without a name", '{"event": {"toString": 1}}', /without a name/],
    [
      "an event with a name of 1 MB",
      `{"event": "${"A".repeat(1_000_000)}"}`,
      /without a name: {"event": "A+$/,
    ],
    ["a line of more than 1 MiB", "x".repeat(MIB + 1), /more than 1048576 characters/],
    ["another form", '{"return": [], "id": 2}', /answer to query-status lacks an object/],
    ["a state that is no word", '{"return": {"status": "paused\\n"}, "id": 2}', /lacks a word/],
    ["a state of 1 MB", `{"return": {"status": "${"a".repeat(1_000_000)}"}, "id": 2}`, /lacks a word/],
  ];
  for (const [name, line, expected] of lines)
    test(name, async () => {
      await using peer = await QmpPeer.start();
      const client = await peer.connect(signal);
      client.machine = "cap-1";
      peer.serve = (_call, socket) => send(socket, line);
      const problem = await client
        .execute("query-status", undefined, signal)
        .catch((error: unknown) => error);
      assert.ok(WrennError.is(problem, "machine_died"), String(problem));
      assert.match(problem.message, /QEMU of machine cap-1 broke its protocol/);
      assert.match(client.violation ?? "", expected);
      assert.ok(problem.message.length < 400, problem.message);
      await client.closed;
      await assert.rejects(client.execute("stop", undefined, signal), { reason: "machine_died" });
    });
});

suite("answers of another form are refused", () => {
  const refused: readonly (readonly [keyof QmpCommands, unknown])[] = [
    ["stop", null],
    ["cont", []],
    ["query-status", { status: 5 }],
    ["query-status", { status: "" }],
    ["query-block", {}],
    ["query-block", [null]],
    ["query-block", Array.from({ length: 65 }, () => ({ device: "" }))],
    ["query-block", [{ device: "disk0", inserted: null }]],
    ["query-block", [{ device: "disk0", inserted: { file: ["/a"] } }]],
    ["query-block", [{ device: "disk0", inserted: { file: "a".repeat(300_000) } }]],
    ["query-block", [{ device: "disk0", "io-status": 1 }]],
    ["query-migrate", { status: {} }],
    ["query-migrate", { "error-desc": "x".repeat(2000) }],
    ["query-version", { qemu: { major: -1, minor: 0, micro: 0 }, package: "" }],
    ["query-version", { qemu: { major: 7, minor: 0 }, package: "" }],
    ["query-version", { qemu: { major: 7, minor: 0, micro: 0 }, package: 1 }],
  ];
  for (const [command, value] of refused)
    test(`${command}: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      assert.throws(() => readAnswer(command, value), QmpViolation);
    });
});

test("the answers of a real QEMU are taken, with fields and states that later versions add", async () => {
  const lines = (await readFile(join(import.meta.dirname, "corpus/qmp/qemu-7.2.jsonl"), "utf8"))
    .trim()
    .split("\n");
  const answers = lines.flatMap((line) => {
    const { id, return: value } = JSON.parse(line) as { readonly id?: number; readonly return?: unknown };
    return id === undefined || value === undefined ? [] : [[id, value] as const];
  });
  const values = new Map(answers);
  assert.deepEqual(readAnswer("query-status", values.get(3)), { status: "prelaunch" });
  assert.deepEqual(readAnswer("query-block", values.get(6)), [
    { device: "disk0", "io-status": "ok", inserted: { file: "/srv/wrenn/c.qcow2" } },
  ]);
  assert.deepEqual(readAnswer("query-migrate", values.get(9)), { status: "setup" });
  assert.equal(readAnswer("query-version", values.get(2)).qemu.micro, 22);
  assert.deepEqual(readAnswer("query-status", { status: "colo-9", future: [] }), { status: "colo-9" });
});

test("what QEMU gives as the reason of an error is one short line of plain text", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  peer.serve = ({ id }, socket) =>
    send(socket, { error: { desc: `\u001b[31mno\u202e\r\nforged${"x".repeat(100_000)}` }, id });
  const problem = await client.execute("stop", undefined, signal).catch((error: unknown) => error);
  assert.ok(WrennError.is(problem, "operation_failed"));
  assert.match(problem.message, /stop.*: \[31mnoforgedx+/);
  assert.ok(problem.message.length < 400 && !/[^\u0020-\u007e]/.test(problem.message), problem.message);
});

test("an answer that arrives after its command was given up is not that of the next command", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  const late: number[] = [];
  peer.serve = ({ id }) => void late.push(id);
  const leaving = new AbortController();
  const given = client.execute("query-status", undefined, leaving.signal);
  await eventually("QEMU has the command", () => late.length === 1);
  leaving.abort(new Error("left"));
  await assert.rejects(given, /left/);
  peer.serve = ({ id }, socket) => {
    for (const other of late) answer(socket, other, { status: "paused" });
    // A second time, in case the first was ignored by accident.
    for (const other of late) answer(socket, other, { status: "shutdown" });
    answer(socket, id, { status: "running" });
  };
  assert.deepEqual(await client.execute("query-status", undefined, signal), { status: "running" });
  assert.equal(client.violation, undefined);
});

test("answers in another order reach their own commands", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  const held: number[] = [];
  peer.serve = ({ id }, socket) => {
    held.push(id);
    if (held.length < 8) return;
    for (const one of held.toReversed()) answer(socket, one, { ...version(one), package: "" });
  };
  const versions = await Promise.all(
    Array.from({ length: 8 }, () => client.execute("query-version", undefined, signal)),
  );
  assert.deepEqual(
    versions.map(({ qemu }) => qemu.micro),
    held,
  );
});

test("a QEMU that answers nothing has 64 commands at most, and they leave nothing behind", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  peer.serve = () => {};
  const leaving = new AbortController();
  const calls = Array.from({ length: 64 }, () => client.execute("query-status", undefined, leaving.signal));
  const settled = Promise.allSettled(calls);
  const begun = performance.now();
  await assert.rejects(client.execute("stop", undefined, signal), {
    reason: "operation_failed",
    message: /has not answered 64 commands/,
  });
  assert.ok(performance.now() - begun < 1000, "the refusal does not wait");
  leaving.abort(new Error("left"));
  assert.ok((await settled).every(({ status }) => status === "rejected"));
  peer.serve = ({ execute, id }, socket) => answer(socket, id, usual(execute));
  assert.deepEqual(await client.execute("query-status", undefined, signal), { status: "running" });
});

test("a QEMU that is silent is given up at the deadline, with an error that names the machine", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  client.machine = "cap-1";
  peer.serve = () => {};
  const begun = performance.now();
  await assert.rejects(client.execute("stop", undefined, signal), {
    reason: "deadline_exceeded",
    message: /stop in QEMU of machine cap-1/,
  });
  assert.ok(performance.now() - begun < 12_000);
});

test("commands to a QEMU that reads nothing are refused before they fill memory", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  peer.socket.pause();
  const file = "/".padEnd(4000, "x");
  const refusals: WrennError[] = [];
  for (let sent = 0; sent < 2000 && refusals.length === 0; sent++) {
    const leaving = new AbortController();
    const call = client.execute("blockdev-snapshot", { node: "disk0", overlay: file }, leaving.signal);
    leaving.abort(new Error("left"));
    await call.catch((error: unknown) => {
      if (error instanceof WrennError) refusals.push(error);
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [refused] = refusals;
  assert.ok(WrennError.is(refused, "operation_failed"), "it was never refused");
  assert.match(refused.message, /does not read its control socket/);
});

test("a flood of events takes its share of the server's time, and asks few questions", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  const broken: string[] = [];
  const monitor = new RunStateMonitor({
    qmp: client,
    disks: undefined,
    hasRoom: async () => true,
    onBroken: (state) => void broken.push(state),
  });
  let heard = 0;
  client.onEvent(() => heard++);
  const events = '{"event": "STOP"}\r\n'.repeat(3000);
  const until = performance.now() + 3000;
  let sent = 0;
  while (performance.now() < until) {
    if (peer.socket.writableLength < MIB) {
      peer.socket.write(events);
      sent += 3000;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const questions = peer.calls.filter(({ execute }) => execute === "query-status").length;
  assert.ok(sent > 40_000, `${sent} sent`);
  // 16,384 at once, 2,048 each second, and what one read brings.
  assert.ok(heard > 10_000 && heard < 16_384 + 4 * 2048 + 4000, `${heard} of ${sent} heard`);
  assert.ok(questions < 80, `${questions} questions`);
  assert.deepEqual([broken, monitor.stall, client.violation], [[], undefined, undefined]);
});

test("a machine that sends more than its share for 30 s is ended, one that does so for a moment is not", () => {
  const share = new MessageBudget(0);
  let now = 0;
  for (let step = 0; step < 600; step++, now += 100)
    assert.equal(share.spend(200, 0, now), 0, `step ${step}`);
  const burst = new MessageBudget(0);
  assert.equal(burst.spend(16_000, 0, 1), 0);
  assert.equal(burst.spend(2432, 0, 2), 999);
  assert.equal(burst.spend(1000, 0, 60_000), 0);
  const flood = new MessageBudget(0);
  let ended: number | undefined;
  for (now = 0; ended === undefined && now < 100_000;) {
    const pause = flood.spend(4000, 64 << 10, now);
    if (pause === "flood") ended = now;
    else now += Math.max(pause, 1);
  }
  assert.ok(ended !== undefined && ended > 30_000 && ended < 40_000, `ended at ${ended} ms`);
});

test("a long line in bytes costs time for its bytes, not for each byte the whole line", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  peer.serve = () => {};
  const asked = client.execute("query-status", undefined, signal);
  asked.catch(() => {});
  peer.socket.write("x".repeat(MIB - 5000));
  const before = process.cpuUsage();
  for (let sent = 0; sent < 4000; sent++) {
    peer.socket.write("x");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 < 1500, `${(user + system) / 1000} ms`);
  client.close();
  await assert.rejects(asked, { reason: "machine_died" });
});

test("stalls that a machine makes up are reported ever more seldom", async () => {
  await using peer = await QmpPeer.start();
  const client = await peer.connect(signal);
  let status = "running";
  peer.serve = ({ execute, id }, socket) => {
    if (execute === "cont") status = "running";
    answer(socket, id, execute === "query-status" ? { status } : usual(execute));
  };
  const monitor = new RunStateMonitor({
    qmp: client,
    disks: undefined,
    hasRoom: async () => true,
    onBroken: () => {},
  });
  let reports = 0;
  monitor.observe((stall) => {
    reports++;
    if (stall) return;
    // At once again.
    status = "io-error";
    send(peer.socket, { event: "STOP" });
  });
  status = "io-error";
  send(peer.socket, { event: "STOP" });
  await new Promise((resolve) => setTimeout(resolve, 4500));
  assert.ok(reports >= 4 && reports <= 10, `${reports} reports`);
});

suite("the path in QEMU's name of an image", () => {
  const described = (filename: unknown): string =>
    `json:${JSON.stringify({ driver: "qcow2", file: { driver: "file", filename } })}`;
  const paths: readonly (readonly [string, string, string | undefined])[] = [
    ["a path", "/srv/a b/0.qcow2", "/srv/a b/0.qcow2"],
    ["a description", described("/srv/0.qcow2"), "/srv/0.qcow2"],
    ["text that is no JSON", "json:{", undefined],
    ["null", "json:null", undefined],
    ["a list", "json:[]", undefined],
    ["no file", "json:{}", undefined],
    ["a file that is a text", 'json:{"file":"x"}', undefined],
    ["a path that is a number", described(5), undefined],
    ["a path that is an object", described({ length: 1 }), undefined],
    ["a detour", "/srv/../etc/0.qcow2", undefined],
    ["a detour in a description", described("/srv//0.qcow2"), undefined],
    ["a relative path", "0.qcow2", undefined],
    ["another protocol", "nbd://127.0.0.1:1/x", undefined],
    ["a line break", "/srv/\n0.qcow2", undefined],
    ["a null character", described("/srv/\u00000.qcow2"), undefined],
    ["a path that is too long", `/${"x".repeat(4096)}`, undefined],
  ];
  for (const [name, file, expected] of paths) test(name, () => assert.equal(plainPath(file), expected));
});

function version(micro: number): { readonly qemu: object } {
  return { qemu: { major: 7, minor: 2, micro } };
}
