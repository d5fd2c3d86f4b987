import assert from "node:assert/strict";
import { constants } from "node:os";
import { before, test } from "node:test";
import type { WrennError } from "@wrenn/core";
import type {
  CapsuleProcess,
  CapsuleProcesses,
  OutputEvent,
  OutputStart,
  StartRequest,
} from "@wrenn/protocol";
import { rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

const { SIGKILL } = constants.signals;

/** What HostAgent promises of processes. Subjects know the programs `echo`, `cat`, `sleep` and `printenv`. */
export function processContract(name: string, lab: ContractLab): void {
  const { signal } = lab;
  let capsule: string;
  let processes: CapsuleProcesses;
  before(async () => {
    capsule = await lab.capsule({ envs: { CONTRACT: "of the capsule" } });
    processes = lab.agent.processes(capsule);
  });

  const start = async (cmd: string, args: readonly string[], change: Partial<StartRequest> = {}) =>
    await processes.start({ cmd, args, envs: {}, stdin: false, output: "attached", ...change }, signal);
  const cat = async (change: Partial<StartRequest> = {}): Promise<CapsuleProcess> =>
    await start("cat", [], { stdin: true, ...change });
  const finish = async (process: CapsuleProcess): Promise<void> => {
    await process.kill(SIGKILL, "group", signal);
    await process.wait(signal);
  };

  test(`${name}: output comes with its offsets, from wherever it is read, and ends with the exit`, async () => {
    const process = await start("echo", ["one", "two"]);
    assert.deepEqual(await process.wait(signal), { exitCode: 0 });
    const events = await read(process, "oldest", signal);
    assert.equal(textOf(events), "one two\n");
    assert.equal(events.find((event) => event.type === "data")?.offset, 0);
    assert.deepEqual(events.at(-1), { type: "exit", exit: { exitCode: 0 } });
    const rest = await read(process, { stdout: 4, stderr: 0 }, signal);
    assert.equal(textOf(rest), "two\n");
    assert.equal(rest.find((event) => event.type === "data")?.offset, 4);
    assert.equal(textOf(await read(process, "now", signal)), "");
    const held = await process.held({ stdout: 4, stderr: 0 }, signal);
    assert.deepEqual([held.stdout.offset, textOfBytes(held.stdout.bytes)], [4, "two\n"]);
    assert.equal(held.stderr.bytes.length, 0);
  });

  test(`${name}: processes are found by pid and tag, and listed while they live`, async () => {
    const process = await cat({ tag: "found" });
    const { facts } = process;
    assert.deepEqual([facts.tag, facts.cmd, facts.args, facts.terminal], ["found", "cat", [], false]);
    for (const selector of ["found", String(facts.pid)])
      assert.equal((await processes.find(selector, signal)).facts.pid, facts.pid);
    assert.ok((await processes.list(signal)).some(({ pid }) => pid === facts.pid));
    await rejects(() => cat({ tag: "found" }), "tag_in_use", /found/);
    await finish(process);
    const { exit } = (await processes.find("found", signal)).facts;
    assert.deepEqual(exit, { exitCode: 128 + SIGKILL, signal: SIGKILL });
    assert.ok(!(await processes.list(signal)).some(({ pid }) => pid === facts.pid));
    const recent = (await processes.recent(signal)).find(({ pid }) => pid === facts.pid);
    assert.deepEqual([recent?.tag, recent?.exit], ["found", exit], "those that exited lately are looked at");
    await rejects(() => processes.find("no-such-tag", signal), "process_not_found", /no-such-tag/);
    await rejects(() => processes.find("4294967", signal), "process_not_found", /4294967/);
  });

  test(`${name}: a process has the environment that it is given; what cannot start says why`, async () => {
    const own = await start("printenv", ["OWN"], { envs: { OWN: "given" } });
    assert.equal(textOf(await read(own, "oldest", signal)), "given\n");
    await rejects(() => start("echo", [], { cwd: "/no/such/place" }), "cwd_not_found", /no\/such\/place/);
    await rejects(() => start("echo", [], { user: "no-such-user" }), "user_not_found", /no-such-user/);
    await assert.rejects(
      processes.start(
        { cmd: "echo", args: [], envs: {}, stdin: false, output: "attached" },
        AbortSignal.abort(new Error("enough")),
      ),
      /enough/,
    );
  });

  test(`${name}: input arrives in the order of the writes, whole, up to its end`, async () => {
    const process = await cat();
    const lines = Array.from({ length: 500 }, (_, n) => `line ${n}\n`);
    await Promise.all(lines.map((line) => process.write(Buffer.from(line), signal)));
    const big = Buffer.alloc(700_000, "0123456789abcdef");
    const [output] = await Promise.all([
      read(process, "oldest", signal),
      process.write(big, signal).then(() => process.closeInput(signal)),
    ]);
    assert.ok(textOf(output) === lines.join("") + big.toString());
    assert.deepEqual(output.at(-1), { type: "exit", exit: { exitCode: 0 } });
  });

  test(`${name}: input that is closed, or was never open, takes nothing`, async () => {
    const process = await cat({ tag: "closed" });
    await process.closeInput(signal);
    await rejects(() => process.write(Buffer.from("late"), signal), "stdin_closed", /closed/);
    await process.wait(signal);
    await rejects(() => process.write(Buffer.from("later"), signal), "stdin_closed", /closed/);
    await process.closeInput(signal);
    const without = await start("sleep", ["5"], { tag: "without" });
    await rejects(() => without.write(Buffer.from("x"), signal), "stdin_closed", /without/);
    await finish(without);
  });

  test(`${name}: an aborted write is one; the next one still arrives`, async () => {
    const process = await cat();
    await assert.rejects(
      process.write(Buffer.from("never"), AbortSignal.abort(new Error("enough"))),
      /enough/,
    );
    await process.write(Buffer.from("next"), signal);
    await process.closeInput(signal);
    assert.equal(textOf(await read(process, "oldest", signal)), "next");
  });

  test(`${name}: a write to a process that does not read is given up whole, or says how much was taken`, async () => {
    const process = await start("sleep", ["60"], { stdin: true, tag: "unread" });
    const patience = (): AbortSignal => AbortSignal.timeout(200);
    const many = process.write(Buffer.alloc(3 << 20), patience());
    const taken = await many.then(
      () => assert.fail("everything was taken"),
      (error: WrennError) => error,
    );
    assert.deepEqual([taken.reason, taken.context["bytes"]], ["input_not_read", 3 << 20]);
    const accepted = Number(taken.context["accepted"]);
    assert.ok(accepted > 0 && accepted < 1 << 20, `${accepted} bytes`);
    const next = process.write(Buffer.from("next"), patience());
    await rejects(() => next, "input_not_read", /unread does not read its input: 0 of 4 bytes were taken/);
    await finish(process);
  });

  test(`${name}: a kill does not wait behind input, and ends the writes that do`, async () => {
    const process = await start("sleep", ["60"], { stdin: true, tag: "stuck" });
    const writes = Promise.allSettled(
      [1, 2, 3].map(async () => await process.write(Buffer.alloc(4 << 20), signal)),
    );
    await process.kill(SIGKILL, "tree", signal);
    assert.deepEqual(await process.wait(signal), { exitCode: 128 + SIGKILL, signal: SIGKILL });
    for (const write of await writes)
      assert.match(write.status === "rejected" ? String(write.reason) : "resolved", /stuck is closed/);
  });

  test(`${name}: input with its offset is taken once; a gap is refused with where the input continues`, async () => {
    const process = await cat({ tag: "placed" });
    const write = async (text: string, offset: number): Promise<void> =>
      await process.write(Buffer.from(text), signal, offset);
    await write("abc", 0);
    await write("abc", 0);
    await write("bcdef", 1);
    await rejects(() => write("h", 7), "input_offset_differs", /placed continues at byte 6/);
    await write("", 6);
    await process.write(Buffer.from("g"), signal);
    assert.equal((await processes.find("placed", signal)).facts.inputOffset, 7);
    const large = Buffer.alloc(700_000, "x");
    await process.write(large, signal, 7);
    await process.write(large, signal, 7);
    await process.closeInput(signal);
    assert.ok(textOf(await read(process, "oldest", signal)) === `abcdefg${large.toString()}`);
    const after = (await processes.find("placed", signal)).facts;
    assert.equal(after.inputOffset, 700_007, "it is known after the exit, too");
    const without = await start("echo", []);
    assert.equal(without.facts.inputOffset, undefined);
  });

  test(`${name}: a process whose time is up ends, and its exit says why`, async () => {
    const process = await start("sleep", ["60"], { tag: "limited", timeoutMs: 300 });
    assert.equal(process.facts.timeoutMs, 300);
    const exit = await process.wait(signal);
    assert.equal(exit.timedOut, true);
    assert.deepEqual((await read(process, "oldest", signal)).at(-1), { type: "exit", exit });
    assert.deepEqual((await processes.find("limited", signal)).facts.exit, exit);
    const quick = await start("echo", [], { timeoutMs: 60_000 });
    assert.deepEqual(await quick.wait(signal), { exitCode: 0 });
  });

  test(`${name}: a tag can be claimed for one process, also after its end`, async () => {
    const claim = async (): Promise<CapsuleProcess> => await cat({ tag: "claimed", unusedTag: true });
    const process = await claim();
    await rejects(claim, "tag_in_use", /claimed/);
    await finish(process);
    await rejects(claim, "tag_used", /tag claimed belongs to a process that has ended/);
    await finish(await cat({ tag: "claimed" }));
  });

  test(`${name}: the output of a paced process waits for its first reader, and nothing of it is lost`, async () => {
    const process = await cat({ output: "paced" });
    const big = Buffer.alloc(3 << 20, "0123456789abcdef");
    const written = process.write(big, signal).then(() => process.closeInput(signal));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const output = await read(process, "oldest", signal);
    await written;
    assert.ok(textOf(output) === big.toString());
    assert.deepEqual(output.at(-1), { type: "exit", exit: { exitCode: 0 } });
  });

  test(`${name}: a kill is an exit with its signal, and may come late`, async () => {
    const process = await start("sleep", ["5"]);
    await process.kill(SIGKILL, "group", signal);
    assert.deepEqual(await process.wait(signal), { exitCode: 128 + SIGKILL, signal: SIGKILL });
    await process.kill(SIGKILL, "tree", signal);
  });

  test(`${name}: waiting and reading can be given up`, async () => {
    const process = await start("sleep", ["5"]);
    const giveUp = new AbortController();
    const waits = [
      process.wait(giveUp.signal),
      read(process, "oldest", giveUp.signal),
      read(process, "now", giveUp.signal),
    ];
    setTimeout(() => giveUp.abort(new Error("enough")), 50);
    for (const outcome of await Promise.allSettled(waits))
      assert.match(outcome.status === "rejected" ? String(outcome.reason) : "resolved", /enough/);
    await finish(process);
  });

  test(`${name}: several readers get the same output`, async () => {
    const process = await cat();
    const readers = [read(process, "oldest", signal), read(process, "oldest", signal)];
    await process.write(Buffer.from("for both"), signal);
    await process.closeInput(signal);
    for (const reader of readers) assert.equal(textOf(await reader), "for both");
  });

  test(`${name}: readers of a terminal meet its size before what it prints; nothing else has one`, async () => {
    const terminal = await cat({ terminal: { cols: 80, rows: 24 }, stdin: false });
    assert.equal(terminal.facts.terminal, true);
    await terminal.resize(100, 30, signal);
    await terminal.write(Buffer.from("x\n"), signal);
    const sizes: string[] = [];
    for await (const event of terminal.output("oldest", signal)) {
      if (event.type === "resized") sizes.push(`${event.cols}x${event.rows}`);
      if (event.type === "data") break;
    }
    assert.equal(sizes.at(-1), "100x30");
    await finish(terminal);
    const pipe = await start("sleep", ["5"], { tag: "pipe" });
    await rejects(() => pipe.resize(80, 24, signal), "not_a_terminal", /pipe/);
    await finish(pipe);
  });
}

async function read(
  process: CapsuleProcess,
  from: OutputStart,
  signal: AbortSignal,
): Promise<readonly OutputEvent[]> {
  const events: OutputEvent[] = [];
  for await (const event of process.output(from, signal)) events.push(event);
  return events;
}

function textOf(events: readonly OutputEvent[]): string {
  return events.map((event) => (event.type === "data" ? textOfBytes(event.bytes) : "")).join("");
}

function textOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
