import { dirname, normalize } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KeyedQueue, WrennError } from "@wrenn/core";
import type { MachineStall } from "../hypervisor.ts";
import { DISK_ID } from "./command-line.ts";
import type { QmpClient } from "./qmp-client.ts";
import type { RunState } from "./qmp-commands.ts";
import { isRecord } from "./qmp-message.ts";

/** Events after which QEMU may have stopped the machine on its own. */
const TELLING_EVENTS: ReadonlySet<string> = new Set(["STOP", "SUSPEND", "GUEST_PANICKED", "WATCHDOG"]);
/** States that a machine enters by a command of this driver, and in which it is whole: it can be saved and resumed. */
const STOPPED: ReadonlySet<RunState> = new Set(["paused", "postmigrate", "prelaunch"]);
/** States on the way to one of those, or with running CPUs. */
const MOVING: ReadonlySet<RunState> = new Set([
  "running",
  "inmigrate",
  "finish-migrate",
  "save-vm",
  "restore-vm",
]);

/** A question that QEMU did not answer is repeated after this time. */
const INSPECT_AGAIN_MS = 250;
/** Least time between two questions because of events: many events are one question. */
const NEXT_INSPECTION_MS = 50;
/** The host's disk is looked at again after these; each wait is twice the one before. */
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;
/** A stall that begins sooner than this after another continues its waits: a machine cannot make the server report many of them. */
const CALM_MS = 10_000;
/** A repeated write fails within this time, if it fails. */
const SETTLE_MS = 50;
const HOST_DISK = "the host's disk";
/** Absolute, no longer than a path of the kernel, and without control characters. */
const PLAIN_PATH = /^\/\P{Cc}{0,4094}$/u;

export interface RunStateDeps {
  readonly qmp: QmpClient;
  /** Whether a machine may continue that QEMU stopped for a full disk, or that an earlier process stalled. */
  readonly hasRoom: () => Promise<boolean>;
  /** Directory of the machine's disks; QEMU knows them by numbers. Undefined for machines of earlier versions. */
  readonly disks: string | undefined;
  /** QEMU gave up the machine: it is in a state from which nothing can be saved or continued. */
  readonly onBroken: (state: RunState) => void;
}

interface Look {
  readonly status: RunState;
  /** Where a write of the guest found no room; it waits in QEMU. */
  readonly fullPath: string | undefined;
}

/**
 * Whether the CPUs of one machine run, and who stopped them. QEMU stops a machine without being asked: when the host's disk
 * is full, when KVM cannot go on, when the guest reports a panic. Only states known to be whole count as stopped.
 */
export class RunStateMonitor {
  readonly #deps: RunStateDeps;
  readonly #observers = new Set<(stall: MachineStall | undefined) => void>();
  readonly #closed = new AbortController();
  /** Commands that stop the machine or let it run are given one after another: none sees the state in the middle of another. */
  readonly #turns = new KeyedQueue();
  #stall: MachineStall | undefined;
  #wait = FIRST_RETRY_MS;
  #stallEndedAt = -Infinity;
  #inspection: Promise<void> | undefined;
  #inspectsAgain = false;

  constructor(deps: RunStateDeps) {
    this.#deps = deps;
    deps.qmp.onEvent((event) => {
      if (TELLING_EVENTS.has(event)) void this.#inspectSoon();
    });
    void deps.qmp.closed.then(() => this.#closed.abort());
  }

  get stall(): MachineStall | undefined {
    return this.#stall;
  }

  observe(observer: (stall: MachineStall | undefined) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Finds out whether QEMU has stopped the machine on its own, also before this process watched it. */
  async inspect(signal: AbortSignal): Promise<void> {
    const { status } = await this.#deps.qmp.execute("query-status", undefined, signal);
    if (status === "io-error") this.#beginStall((await this.#look(signal)).fullPath ?? HOST_DISK);
    else if (!STOPPED.has(status) && !MOVING.has(status)) this.#deps.onBroken(status);
  }

  /** @throws WrennError `disk_full`, `machine_died` when QEMU stopped the machine before; `operation_failed`. */
  async stop(signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      this.#requireNoStall();
      // QEMU answers in order: the look is one at the stopped machine.
      const [, look] = await Promise.all([
        this.#deps.qmp.execute("stop", undefined, signal),
        this.#look(signal),
      ]);
      this.#requireStoppedIn(look);
    });
  }

  /**
   * Stalls a machine that runs until `hasRoom` resolves with true; any other is left as it is.
   *
   * @param announce - called before the machine is stopped.
   */
  async stallUntil(
    path: string,
    hasRoom: () => Promise<boolean>,
    announce: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#inTurn(async () => {
      const { status } = await this.#deps.qmp.execute("query-status", undefined, signal);
      if (this.#stall || status !== "running") return;
      await announce();
      try {
        await this.#deps.qmp.execute("stop", undefined, signal);
      } finally {
        // Also when the answer is missing: QEMU may have stopped, and the end of a stall lets the machine run.
        this.#beginStall(path, hasRoom);
      }
    });
  }

  /** Lets a machine continue, when there is room, that an earlier process stalled. */
  endAbandonedStall(): void {
    this.#beginStall(HOST_DISK);
  }

  /** @throws WrennError `machine_died` when QEMU gave the machine up. */
  async resume(signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const { status, fullPath } = await this.#look(signal);
      if (status === "io-error") this.#beginStall(fullPath ?? HOST_DISK);
      if (this.#stall) return;
      this.#requireWhole(status);
      await this.#deps.qmp.execute("cont", undefined, signal);
    });
  }

  /** @throws WrennError `operation_failed` when the CPUs run, `disk_full` or `machine_died` when QEMU stopped them. */
  async requireStopped(signal: AbortSignal): Promise<void> {
    this.#requireNoStall();
    this.#requireStoppedIn(await this.#look(signal));
  }

  #requireStoppedIn({ status, fullPath }: Look): void {
    // Also where the last write before a stop found no room: that machine should run, and will when there is room.
    if (fullPath !== undefined && status !== "running") this.#beginStall(fullPath);
    this.#requireNoStall();
    this.#requireWhole(status);
    if (STOPPED.has(status)) return;
    throw new WrennError("operation_failed", {
      operation: "freezing a machine",
      problem: status === "running" ? "its CPUs are running" : `QEMU is ${status}`,
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    await this.#turns.run("state", work);
  }

  #requireNoStall(): void {
    if (this.#stall) throw new WrennError("disk_full", { path: this.#stall.path });
  }

  #requireWhole(status: RunState): void {
    if (STOPPED.has(status) || MOVING.has(status)) return;
    this.#deps.onBroken(status);
    throw new WrennError("machine_died", { problem: brokenBy(status) });
  }

  async #look(signal: AbortSignal): Promise<Look> {
    const { qmp } = this.#deps;
    const [{ status }, blocks] = await Promise.all([
      qmp.execute("query-status", undefined, signal),
      qmp.execute("query-block", undefined, signal),
    ]);
    const disk = blocks.find(({ device }) => device === DISK_ID);
    const isFull = status === "io-error" || disk?.["io-status"] === "nospace";
    return { status, fullPath: isFull ? (this.#deps.disks ?? placeOf(disk?.inserted?.file)) : undefined };
  }

  #beginStall(path: string, hasRoom = this.#deps.hasRoom): void {
    if (this.#stall) return;
    if (performance.now() - this.#stallEndedAt > CALM_MS) this.#wait = FIRST_RETRY_MS;
    this.#set({ reason: "disk_full", path });
    void this.#continueWhenThereIsRoom(hasRoom);
  }

  #set(stall: MachineStall | undefined): void {
    this.#stall = stall;
    for (const observer of this.#observers) observer(stall);
  }

  /** Resolves after an inspection that began after this call. A call during one is answered by the next, as are all others. */
  async #inspectSoon(): Promise<void> {
    if (this.#inspection) this.#inspectsAgain = true;
    this.#inspection ??= this.#inspectWhileAsked().finally(() => (this.#inspection = undefined));
    await this.#inspection;
  }

  async #inspectWhileAsked(): Promise<void> {
    for (;;) {
      this.#inspectsAgain = false;
      await this.#inspectUntilAnswered();
      if (!this.#inspectsAgain || this.#closed.signal.aborted) return;
      await sleep(NEXT_INSPECTION_MS, undefined, { signal: this.#closed.signal, ref: false }).catch(() => {});
    }
  }

  /** Inspects after an event, which is not repeated: a QEMU that does not answer in time is asked again. */
  async #inspectUntilAnswered(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.inspect(signal);
        return;
      } catch {
        await sleep(INSPECT_AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** Ends with the stall: from then on the machine may be stopped, and a `cont` from here would run what is being saved. */
  async #continueWhenThereIsRoom(hasRoom: () => Promise<boolean>): Promise<void> {
    const { signal } = this.#closed;
    for (let continues = false; !continues; this.#wait = Math.min(this.#wait * 2, LAST_RETRY_MS)) {
      continues = await this.#attempt(this.#wait, hasRoom);
      if (signal.aborted) return;
    }
    this.#stallEndedAt = performance.now();
    this.#set(undefined);
    // What QEMU did since was taken for a part of the stall.
    await this.#inspectSoon();
  }

  /** @returns whether the machine continues; false also where the attempt failed. */
  async #attempt(wait: number, hasRoom: () => Promise<boolean>): Promise<boolean> {
    const { signal } = this.#closed;
    try {
      await sleep(wait, undefined, { signal, ref: false });
      return (await hasRoom()) && (await this.#continues(signal));
    } catch {
      return false;
    }
  }

  /** Repeats the write. @returns whether it found room. */
  async #continues(signal: AbortSignal): Promise<boolean> {
    await this.#deps.qmp.execute("cont", undefined, signal);
    await sleep(SETTLE_MS, undefined, { signal, ref: false });
    return (await this.#look(signal)).fullPath === undefined;
  }
}

/** Why a machine in this state cannot continue. */
export function brokenBy(status: RunState): string {
  return `QEMU gave up the machine, its state is ${status}`;
}

/** The directory of the image that QEMU writes to. */
function placeOf(file: string | undefined): string {
  const path = file === undefined ? undefined : plainPath(file);
  return path === undefined ? HOST_DISK : dirname(path);
}

/**
 * The path in QEMU's name of an image. QEMU describes an image whose backing file is not the one of its header as `json:{…}`.
 *
 * @returns undefined for a name that is no absolute path, or not one of a file of ours.
 */
export function plainPath(file: string): string | undefined {
  const path = file.startsWith("json:") ? describedPath(file.slice("json:".length)) : file;
  return typeof path === "string" && PLAIN_PATH.test(path) && normalize(path) === path ? path : undefined;
}

function describedPath(text: string): unknown {
  try {
    const description: unknown = JSON.parse(text);
    const inner = isRecord(description) ? description["file"] : undefined;
    return isRecord(inner) ? inner["filename"] : undefined;
  } catch {
    return undefined;
  }
}
