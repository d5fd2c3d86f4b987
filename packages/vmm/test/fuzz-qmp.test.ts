import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import { readAnswer } from "../src/qemu/qmp-answers.ts";
import type { QmpClient } from "../src/qemu/qmp-client.ts";
import type { QmpCommands } from "../src/qemu/qmp-commands.ts";
import { parseMessage, QmpViolation } from "../src/qemu/qmp-message.ts";
import type { QmpMessage } from "../src/qemu/qmp-message.ts";
import { RunStateMonitor } from "../src/qemu/run-state.ts";
import { mutate, readLines, seededNumbers } from "./support/mutate-lines.ts";
import { answer, QmpPeer, send, usual } from "./support/qmp-peer.ts";
import type { QmpCall } from "./support/qmp-peer.ts";

/* WRENN_TEST_SEED repeats a run that failed. With --long for WRENN_HOSTILE_SECONDS (600), most of it for whole sessions. */

const long = process.env["WRENN_TEST_LONG"] === "1";
const seconds = long ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 8;
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
const MIB = 1 << 20;
/** What the garbage collector has not got to yet. */
const MOST_GROWTH = 160 * MIB;
/** Of a session of a peer that answers something to each command. */
const SESSION_MS = 2000;
const AT_ONCE = 4;

const commands = [
  "query-status",
  "query-block",
  "query-migrate",
  "query-version",
  "stop",
  "cont",
] as const satisfies readonly (keyof QmpCommands)[];
const lines = await readLines();

test(`any line is a message of QEMU, or is refused by a typed error (seed ${seed})`, (t) => {
  const random = seededNumbers(seed);
  const until = performance.now() + seconds * 200;
  const outcomes = new Map<string, number>();
  let executions = 0;
  for (; performance.now() < until; executions++) {
    const line = mutate(lines[random(lines.length)] ?? "", random);
    const outcome = describe(line);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  t.diagnostic(`${executions} executions: ${JSON.stringify(Object.fromEntries(outcomes))}`);
  for (const wanted of [
    "greeting",
    "event",
    "refusal",
    "violation",
    "answer taken",
    "answer of another form",
  ])
    assert.ok((outcomes.get(wanted) ?? 0) > 0, `none was ${wanted}`);
});

/** What becomes of a line; each answer is also that of every command. */
function describe(line: string): string {
  let message: QmpMessage;
  try {
    message = parseMessage(line);
  } catch (error) {
    assert.ok(error instanceof QmpViolation, `${line}: ${String(error)}`);
    assert.ok(/^[\u0020-\u007e]{0,200}$/.test(error.message), error.message);
    return "violation";
  }
  if (message.kind !== "answer") return message.kind;
  let taken = 0;
  for (const command of commands) {
    try {
      assertForm(command, readAnswer(command, message.value));
      taken++;
    } catch (error) {
      assert.ok(error instanceof QmpViolation, `${command}: ${line}: ${String(error)}`);
    }
  }
  return taken > 0 ? "answer taken" : "answer of another form";
}

test(
  `a QEMU that answers anything at any time costs bounded memory and time (seed ${seed})`,
  { timeout: (seconds + 60) * 1000 },
  async (t) => {
    const until = performance.now() + seconds * 800;
    const outcomes = new Map<string, number>();
    const before = process.memoryUsage().rss;
    let [sessions, slowest, most] = [0, 0, 0];
    const worker = async (): Promise<void> => {
      while (performance.now() < until) {
        const begun = performance.now();
        const number = sessions++;
        await runSession(seed + number, outcomes).catch((error: unknown) => {
          throw new Error(`session of seed ${seed + number}`, { cause: error });
        });
        slowest = Math.max(slowest, performance.now() - begun);
        most = Math.max(most, process.memoryUsage().rss - before);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const executions = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    t.diagnostic(
      `${sessions} sessions, ${executions} commands, ${JSON.stringify(Object.fromEntries(outcomes))}, ` +
        `slowest ${Math.round(slowest)} ms, ${Math.round(most / MIB)} MiB more at most`,
    );
    assert.ok(most < MOST_GROWTH, `${most / MIB} MiB`);
    assert.ok(slowest < SESSION_MS, `${slowest} ms`);
    for (const wanted of ["answered", "machine_died", "operation_failed", "given up"])
      assert.ok((outcomes.get(wanted) ?? 0) > 0, `none was ${wanted}`);
  },
);

/** One connection with a dozen commands, to a peer whose tricks the seed draws. */
async function runSession(number: number, outcomes: Map<string, number>): Promise<void> {
  const random = seededNumbers(number);
  await using peer = await QmpPeer.start();
  const client = await peer.connect(AbortSignal.timeout(5000));
  const broken: string[] = [];
  const stalls: string[] = [];
  const monitor = new RunStateMonitor({
    qmp: client,
    disks: undefined,
    hasRoom: async () => random(2) === 0,
    onBroken: (state) => void broken.push(state),
  });
  monitor.observe((stall) => stall && stalls.push(stall.path));
  const held: QmpCall[] = [];
  peer.serve = (call, socket) => {
    if (random(2) === 0) reply(socket, call.execute, call.id);
    else plays[random(plays.length)]?.(call, held, socket, random);
  };
  const calls = Array.from({ length: 4 + random(9) }, () => runCommand(client, random));
  for (const outcome of await Promise.all(calls)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  for (const state of broken) assert.match(state, /^[a-z][a-z0-9-]{0,63}$/);
  for (const path of stalls) assert.match(path, /^(\/\P{Cc}*|the host's disk)$/u);
  if (client.violation !== undefined) {
    await client.closed;
    assert.match(client.violation, /^[\u0020-\u007e]{1,400}$/);
  }
}

type Play = (call: QmpCall, held: QmpCall[], socket: Socket, random: (bound: number) => number) => void;

const plays: readonly Play[] = [
  // Silence, and the truth later, after others.
  ({ execute, id }, held) => void held.push({ execute, id }),
  (call, held, socket) => {
    for (const { execute, id } of [...held.splice(0).toReversed(), call]) reply(socket, execute, id);
  },
  ({ execute, id }, _held, socket) => {
    for (let times = 0; times < 3; times++) reply(socket, execute, id);
  },
  ({ id }, _held, socket, random) => {
    // A line of the corpus with the number of the command, where it has one.
    const line = lines[random(lines.length)] ?? "";
    const changed = random(3) === 0 ? mutate(line, random) : line;
    send(socket, changed.replace(/"id": 1\b/, `"id": ${id}`));
  },
  ({ execute, id }, _held, socket) => {
    send(socket, { event: "STOP" });
    reply(socket, execute, id);
    send(socket, { event: "SHUTDOWN" });
  },
  ({ id }, _held, socket) => send(socket, { error: { class: "GenericError", desc: "no\n".repeat(500) }, id }),
  ({ execute, id }, _held, socket) => {
    socket.write('{"event": "RESUME"}\r\n\r\n\n'.repeat(500));
    reply(socket, execute, id);
  },
  ({ execute, id }, _held, socket) => {
    // In two pieces.
    const line = JSON.stringify({ return: usual(execute), id });
    socket.write(line.slice(0, 9));
    setTimeout(() => send(socket, line.slice(9)), 2);
  },
  ({ id }, _held, socket, random) => {
    const states = ["paused", "io-error", "shutdown", "colo", "internal-error", "running"];
    answer(socket, id, { status: states[random(states.length)] });
  },
  (_call, _held, socket, random) => void (random(4) === 0 && socket.end()),
];

function reply(socket: Socket, command: string, id: number): void {
  answer(socket, id, usual(command));
}

async function runCommand(client: QmpClient, random: (bound: number) => number): Promise<string> {
  const command = commands[random(commands.length)] ?? "stop";
  const leaving = new AbortController();
  await sleep(random(20));
  const timer = setTimeout(() => leaving.abort(new Error("left")), 20 + random(200));
  try {
    assertForm(command, await client.execute(command, undefined, leaving.signal));
    return "answered";
  } catch (error) {
    if (error instanceof Error && error.message === "left") return "given up";
    if (!(error instanceof WrennError)) throw error;
    assert.match(error.reason, /^(operation_failed|machine_died)$/);
    assert.ok(error.message.length < 1000, error.message);
    return error.reason;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a value that the client returned has the form that its callers rely on. */
function assertForm<C extends keyof QmpCommands>(command: C, value: QmpCommands[C]["return"]): void {
  const shown = `${command}: ${JSON.stringify(value)?.slice(0, 200)}`;
  assert.ok(typeof value === "object" && value !== null, shown);
  if (command === "query-status")
    assert.match((value as { status: string }).status, /^[a-z][a-z0-9-]*$/, shown);
  if (command === "query-version") {
    const { qemu } = value as QmpCommands["query-version"]["return"];
    assert.ok(
      Object.values(qemu).every((part) => Number.isSafeInteger(part) && part >= 0),
      shown,
    );
  }
  if (command !== "query-block") return;
  for (const { device, inserted } of value as QmpCommands["query-block"]["return"])
    assert.ok(typeof device === "string" && ["string", "undefined"].includes(typeof inserted?.file), shown);
}
