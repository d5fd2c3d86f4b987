import { rm } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import { exists, isAlive, signalProcess, writeFileAtomic } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { connectTo } from "../descriptors/machine-socket.ts";
import type { Machine, MachineDeath, MachineStall, MemoryRegion } from "../hypervisor.ts";
import type { Cgroups } from "../jail/cgroups.ts";
import { DISK_ID, machineFiles } from "./command-line.ts";
import { lastComplaint, lastConsoleLine } from "./console-tail.ts";
import { saveDeviceState } from "./device-state.ts";
import { activeDisk, switchDisk } from "./disk-sets.ts";
import { readExitReport } from "./exit-report.ts";
import { findMemoryRegion } from "./memory-region.ts";
import type { QmpClient } from "./qmp-client.ts";
import { brokenBy, RunStateMonitor } from "./run-state.ts";

/** A process that was ended is gone within moments; one that only closed its socket is not waited for any longer than this. */
const DEATH_MS = 5000;
const DEATH_STEP_MS = 2;
const LATER_STEP_MS = 20;
const MOMENTS_MS = 200;

/** What a later process of ours needs to take a machine over. */
export interface MachineRecord {
  readonly id: string;
  readonly uid: number;
  readonly memoryFile: string;
  readonly memoryMib: number;
  /** Path of the disk that it was started with; machines of earlier versions have none in their record. */
  readonly disk?: string;
  readonly process: ProcessIdentity;
  /** Identity of the hypervisor that started it; machines of earlier versions have none in their record. */
  readonly identity?: string;
}

/** One QEMU process. */
export class QemuMachine implements Machine {
  readonly id: string;
  readonly directory: string;
  readonly identity: string;
  readonly process: ProcessIdentity;
  readonly guestChannel: Machine["guestChannel"];
  readonly death: Promise<MachineDeath>;
  readonly #record: MachineRecord;
  readonly #qmp: QmpClient;
  readonly #cgroups: Cgroups;
  readonly #state: RunStateMonitor;
  /** This process ends it. */
  #ending = false;
  /** QEMU said that its guest has powered off, which the exit code has to confirm. */
  #powersOff = false;
  /** Why QEMU was ended although it did not exit by itself. */
  #broken: string | undefined;
  #released = false;
  #inBackground = false;
  #destroying: Promise<void> | undefined;

  constructor(
    directory: string,
    record: MachineRecord & { readonly identity: string },
    qmp: QmpClient,
    cgroups: Cgroups,
    hasRoom: () => Promise<boolean>,
  ) {
    this.id = record.id;
    this.identity = record.identity;
    this.directory = directory;
    this.process = record.process;
    this.guestChannel = {
      interactive: this.#path("interactive"),
      bulk: this.#path("bulk"),
      dial: (path) => connectTo(path, record.uid),
    };
    this.#record = record;
    this.#qmp = qmp;
    qmp.machine = record.id;
    this.#cgroups = cgroups;
    const { promise, resolve } = Promise.withResolvers<MachineDeath>();
    this.death = promise;
    qmp.onEvent((event) => {
      // The guest's own power-off or reset; -no-reboot makes both the end.
      if (event === "SHUTDOWN") this.#powersOff = true;
    });
    this.#state = new RunStateMonitor({
      qmp,
      hasRoom,
      disks: record.disk === undefined ? undefined : dirname(record.disk),
      onBroken: (state) => void this.#giveUp(brokenBy(state)),
    });
    this.#state.observe((stall) => {
      if (!stall) void this.#forgetStall();
    });
    void qmp.closed.then(async () => {
      if (!this.#released) resolve(await this.#explainDeath());
    });
  }

  get stall(): MachineStall | undefined {
    return this.#state.stall;
  }

  onStall(observer: (stall: MachineStall | undefined) => void): () => void {
    return this.#state.observe(observer);
  }

  /** Finds out whether the machine was stalled before this process watched it. */
  async inspect(signal: AbortSignal): Promise<void> {
    await this.#state.inspect(signal);
    if (await exists(this.#path("stalled"))) this.#state.endAbandonedStall();
  }

  async stallUntil(path: string, hasRoom: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    // A process that adopts the machine could not tell it from one that an operation stopped.
    const announce = (): Promise<void> => writeFileAtomic(this.#path("stalled"), "", { durable: false });
    await this.#state.stallUntil(path, hasRoom, announce, signal);
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#state.stop(signal);
  }

  /** Its group was made with the share of a machine in the background, until it is resumed. */
  beginInBackground(): void {
    this.#inBackground = true;
  }

  async resume(signal: AbortSignal): Promise<void> {
    if (this.#inBackground) await this.#cgroups.promote(this.id);
    this.#inBackground = false;
    await this.#state.resume(signal);
  }

  async saveDeviceState(path: string, signal: AbortSignal): Promise<void> {
    await this.#state.requireStopped(signal);
    await saveDeviceState(this.#qmp, path, signal);
  }

  async switchDisk(path: string, signal: AbortSignal): Promise<void> {
    await this.#state.requireStopped(signal);
    await switchDisk(this.#qmp, path, signal);
  }

  async resizeDisk(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#qmp.execute("block_resize", { device: DISK_ID, size: bytes }, signal);
  }

  async activeDisk(signal: AbortSignal): Promise<string> {
    return await activeDisk(this.#qmp, signal);
  }

  async memoryRegion(): Promise<MemoryRegion> {
    return await findMemoryRegion(
      this.process.pid,
      this.#record.memoryFile,
      this.#record.memoryMib * 2 ** 20,
    );
  }

  async destroy(): Promise<void> {
    this.#destroying ??= this.#end();
    try {
      await this.#destroying;
    } catch (error) {
      this.#destroying = undefined;
      throw error;
    }
  }

  async release(): Promise<void> {
    this.#released = true;
    this.#qmp.close();
    await this.#qmp.closed;
  }

  async #forgetStall(): Promise<void> {
    await rm(this.#path("stalled"), { force: true });
  }

  async #end(): Promise<void> {
    this.#ending = true;
    await signalProcess(this.process, "SIGKILL");
    await this.#untilGone();
    this.#qmp.close();
    // The supervisor writes its report and ends right after the machine; the cgroup is busy until then.
    await this.#cgroups.remove(this.id);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #untilGone(): Promise<void> {
    const begun = performance.now();
    for (let waited = 0; waited < DEATH_MS; waited = performance.now() - begun) {
      if (!(await isAlive(this.process))) return;
      await sleep(waited < MOMENTS_MS ? DEATH_STEP_MS : LATER_STEP_MS);
    }
    throw new WrennError("operation_failed", {
      operation: `ending machine ${this.id}`,
      problem: `process ${this.process.pid} survives SIGKILL`,
    });
  }

  async #giveUp(why: string): Promise<void> {
    this.#broken ??= why;
    await signalProcess(this.process, "SIGKILL");
  }

  async #explainDeath(): Promise<MachineDeath> {
    const { violation, isLeft } = this.#qmp;
    if (violation !== undefined) await this.#giveUp(`QEMU broke its protocol: ${violation}`);
    await this.#untilGone().catch(async () => {
      // A process that only closed its socket would go on without anyone who watches it.
      if (!isLeft) await this.#giveUp("QEMU closed its control socket and did not exit");
    });
    if (!isLeft) await this.#untilGone().catch(() => {});
    const exit = await readExitReport(this.#path("exit"));
    const how =
      exit === undefined
        ? "the process is gone"
        : exit.signal > 0
          ? exit.signal === constants.signals.SIGSYS
            ? "a system call that its filter refuses"
            : `signal ${exit.signal}`
          : `exit code ${exit.code}`;
    const lastWords = await (this.#broken === undefined ? lastConsoleLine : lastComplaint)(this.directory);
    const cause = this.#broken ?? how;
    const exitedWell = exit === undefined ? this.#powersOff : exit.code === 0 && exit.signal === 0;
    const isAsked = this.#broken === undefined && (this.#ending || exitedWell);
    return {
      kind: isAsked ? "asked" : "crashed",
      detail: lastWords === "" ? cause : `${cause}: ${lastWords}`,
    };
  }

  #path(name: keyof typeof machineFiles): string {
    return join(this.directory, machineFiles[name]);
  }
}
