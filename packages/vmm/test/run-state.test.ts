import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { identifyProcess } from "@wrenn/system";
import { QmpClient } from "../src/qemu/qmp-client.ts";
import type { RunState } from "../src/qemu/qmp-commands.ts";
import { RunStateMonitor } from "../src/qemu/run-state.ts";

const signal = AbortSignal.timeout(30_000);

/** The control socket of a QEMU that is in whatever state a test puts it. */
class ScriptedQemu {
  status: RunState = "running";
  ioStatus = "ok";
  /** State after `cont`, which a full disk ends at once. */
  afterCont: RunState = "running";
  /** How many of the next questions for its state it answers with an error. */
  refusals = 0;
  hasRoom = true;
  readonly commands: string[] = [];
  readonly broken: RunState[] = [];
  monitor!: RunStateMonitor;
  #socket: Socket | undefined;

  static async start(t: TestContext): Promise<ScriptedQemu> {
    const qemu = new ScriptedQemu();
    const directory = await mkdtemp("/tmp/wq-");
    const path = join(directory, "qmp.sock");
    const server = createServer((socket) => qemu.#serve(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const self = await identifyProcess(process.pid);
    assert.ok(self);
    const qmp = await QmpClient.connect(path, { uid: process.getuid?.() ?? 0, process: self }, signal);
    t.after(async () => {
      qmp.close();
      server.close();
      await rm(directory, { recursive: true, force: true });
    });
    qemu.monitor = new RunStateMonitor({
      qmp,
      disks: undefined,
      hasRoom: async () => qemu.hasRoom,
      onBroken: (state) => void qemu.broken.push(state),
    });
    return qemu;
  }

  /** QEMU enters a state on its own, and says no more than that it stopped. */
  enter(status: RunState, event = "STOP"): void {
    this.status = status;
    this.#socket?.write(`${JSON.stringify({ event })}\n`);
  }

  #serve(socket: Socket): void {
    this.#socket = socket;
    // The client may leave before the answer to its last question.
    socket.on("error", () => {});
    socket.write('{"QMP":{}}\n');
    socket.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.trim().split("\n")) {
        const { execute, id } = JSON.parse(line) as { readonly execute: string; readonly id: number };
        this.commands.push(execute);
        const isRefused = execute === "query-status" && this.refusals > 0;
        if (isRefused) this.refusals--;
        const answer = isRefused ? { error: { desc: "busy" } } : { return: this.#answer(execute) };
        socket.write(`${JSON.stringify({ ...answer, id })}\n`);
      }
    });
  }

  #answer(command: string): unknown {
    if (command === "stop" && this.status === "running") this.status = "paused";
    if (command === "cont") {
      this.status = this.afterCont;
      this.ioStatus = this.status === "io-error" ? "nospace" : "ok";
    }
    if (command === "query-status") return { status: this.status, running: this.status === "running" };
    if (command === "query-block")
      return [{ device: "disk0", "io-status": this.ioStatus, inserted: { file: "/tmp/disk.qcow2" } }];
    return {};
  }
}

suite("a machine that QEMU cannot continue is given up", () => {
  const states = ["internal-error", "guest-panicked", "shutdown", "suspended", "watchdog", "colo", "debug"];
  for (const state of states as readonly RunState[])
    test(state, async (t) => {
      const qemu = await ScriptedQemu.start(t);
      qemu.enter(state, state === "suspended" ? "SUSPEND" : "STOP");
      await eventually("it is given up", () => qemu.broken.length > 0);
      assert.deepEqual(qemu.broken, [state]);
      const died = { reason: "machine_died", message: new RegExp(state) };
      await assert.rejects(qemu.monitor.stop(signal), died);
      await assert.rejects(qemu.monitor.resume(signal), died);
      await assert.rejects(qemu.monitor.requireStopped(signal), died);
      assert.ok(!qemu.commands.includes("cont"));
    });

  test("also when it was in that state before it was watched", async (t) => {
    const qemu = await ScriptedQemu.start(t);
    qemu.status = "internal-error";
    await qemu.monitor.inspect(signal);
    assert.deepEqual(qemu.broken, ["internal-error"]);
  });
});

test("only states that this driver brings about count as stopped", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  for (const state of ["paused", "prelaunch", "postmigrate"] as const) {
    qemu.status = state;
    await qemu.monitor.requireStopped(signal);
  }
  for (const state of ["running", "inmigrate", "finish-migrate", "save-vm", "restore-vm"] as const) {
    qemu.status = state;
    await assert.rejects(qemu.monitor.requireStopped(signal), { reason: "operation_failed" }, state);
  }
  assert.deepEqual(qemu.broken, []);
});

test("a stop that was asked for is nothing to report", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  await qemu.monitor.stop(signal);
  qemu.enter("paused");
  await qemu.monitor.inspect(signal);
  assert.deepEqual([qemu.broken, qemu.monitor.stall], [[], undefined]);
});

test("a machine without room is continued until its write succeeds", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  const seen: unknown[] = [];
  qemu.monitor.observe((stall) => seen.push(stall));
  qemu.ioStatus = "nospace";
  qemu.afterCont = "io-error";
  qemu.enter("io-error");
  await eventually("the stall is seen", () => qemu.monitor.stall);
  await assert.rejects(qemu.monitor.stop(signal), { reason: "disk_full", message: /\/tmp/ });
  await eventually("it was tried twice", () => qemu.commands.filter((name) => name === "cont").length >= 2);
  assert.ok(qemu.monitor.stall);
  qemu.afterCont = "running";
  await eventually("the stall is over", () => !qemu.monitor.stall);
  assert.deepEqual(seen, [{ reason: "disk_full", path: "/tmp" }, undefined]);
});

test("a machine whose last write before a stop found no room is not taken for stopped, and continues", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  qemu.ioStatus = "nospace";
  await assert.rejects(qemu.monitor.stop(signal), { reason: "disk_full" });
  await eventually("it runs again", () => qemu.status === "running" && !qemu.monitor.stall);
  await qemu.monitor.stop(signal);
});

test("a stop of QEMU's own is noticed although QEMU does not say its state at once", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  qemu.refusals = 2;
  qemu.enter("internal-error");
  await eventually("it is given up", () => qemu.broken.length > 0);
  assert.deepEqual([qemu.broken, qemu.refusals], [["internal-error"], 0]);
});

test("a machine whose stall is over stays stopped, although QEMU refuses a question then", async (t) => {
  const qemu = await ScriptedQemu.start(t);
  qemu.monitor.observe((stall) => {
    if (!stall) qemu.refusals = 1;
  });
  qemu.enter("io-error");
  await eventually(
    "the stall is over and QEMU refused",
    () => !qemu.monitor.stall && qemu.commands.includes("cont") && qemu.refusals === 0,
  );
  await qemu.monitor.stop(signal);
  const settled = performance.now() + 700;
  while (performance.now() < settled) {
    await qemu.monitor.requireStopped(signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test("a machine that met a full disk is not continued before its host says that there is room", async (t) => {
  for (const begin of ["by QEMU", "by an earlier process"]) {
    const qemu = await ScriptedQemu.start(t);
    qemu.hasRoom = false;
    if (begin === "by QEMU") qemu.enter("io-error");
    else {
      qemu.status = "paused";
      qemu.monitor.endAbandonedStall();
    }
    await eventually("the stall is seen", () => qemu.monitor.stall);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.ok(qemu.monitor.stall && !qemu.commands.includes("cont"), begin);
    qemu.hasRoom = true;
    await eventually("the stall is over", () => !qemu.monitor.stall);
  }
});

test("a stall and a stop at the same time do not meet: the machine is the one or the other", async (t) => {
  const announced: string[] = [];
  const stall = (qemu: ScriptedQemu): Promise<void> =>
    qemu.monitor.stallUntil(
      "/tmp",
      async () => true,
      async () => void announced.push("stalled"),
      signal,
    );
  const stopped = await ScriptedQemu.start(t);
  await Promise.all([stopped.monitor.stop(signal), stall(stopped)]);
  assert.deepEqual([stopped.monitor.stall, announced], [undefined, []]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await stopped.monitor.requireStopped(signal);

  const stalled = await ScriptedQemu.start(t);
  const outcome = Promise.allSettled([
    stall(stalled),
    stalled.monitor.stop(signal),
    stalled.monitor.resume(signal),
  ]);
  const statuses = (await outcome).map(({ status }) => status);
  assert.deepEqual([statuses, announced], [["fulfilled", "rejected", "fulfilled"], ["stalled"]]);
  await eventually("the stall is over", () => !stalled.monitor.stall && stalled.status === "running");
});
