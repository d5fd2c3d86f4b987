import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, chown, mkdir, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { BootSpec, Hypervisor, Machine, RestoreSpec } from "@wrenn/vmm";
import { guestListens } from "./guest-listens.ts";

/** Size of every disk that a subject makes. */
const DISK_MIB = 5120;

/** What a driver brings to be tested. */
export interface Subject {
  readonly hypervisor: Hypervisor;
  /** What `hypervisor` is told from then on about room on the host's disk; there is room at first. */
  readonly setRoom: (hasRoom: boolean) => void;
  /** The same driver with its VMM program missing. */
  readonly broken: Hypervisor;
  /** An empty directory with a short path. */
  readonly directory: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly memoryMib: number;
  /** Makes a writable disk at `path`; on top of `backing`, or of the root file system. */
  readonly makeDisk: (path: string, backing?: string) => Promise<void>;
  readonly readable: readonly string[];
  /** Boots a machine whose guest writes more to its disk than the host has room for. */
  readonly startOverfilling: (spec: SpecOfMachine, signal: AbortSignal) => Promise<Overfilling>;
  /** Boots a machine that its VMM cannot keep running; left out where the VMM has no such case. */
  readonly startBreaking?: (spec: SpecOfMachine, signal: AbortSignal) => Promise<Machine>;
}

export type SpecOfMachine = Omit<BootSpec, "kernel" | "initramfs" | "memoryFile">;

export interface Overfilling extends AsyncDisposable {
  readonly machine: Machine;
  /** Frees space on the host. */
  makeRoom(): Promise<void>;
  /** Resolves when the guest has written everything and has read it back unchanged. */
  readonly written: Promise<void>;
}

const uid = 199_001;
/** A driver looks for room after about this time. */
const RETRY_MS = 500;

/** The definition of Hypervisor and Machine: every driver passes exactly this. */
export async function machineContract(name: string, makeSubject: () => Promise<Subject>): Promise<void> {
  const subject = await makeSubject();
  const { hypervisor, directory } = subject;
  const signal = AbortSignal.timeout(10 * 60_000);
  let count = 0;

  const specOf = async (backing?: string): Promise<SpecOfMachine> => {
    const id = `contract-${process.pid}-${count++}`;
    const home = join(directory, id);
    await mkdir(home);
    const disk = join(home, "disk.qcow2");
    await subject.makeDisk(disk, backing);
    return {
      id,
      directory: join(home, "run"),
      vcpus: 1,
      memoryMib: subject.memoryMib,
      disk,
      diskMib: DISK_MIB,
      readable: [directory, ...subject.readable],
      uid,
      gid: uid,
    };
  };
  const boot = async (): Promise<{
    readonly machine: Machine;
    readonly memoryFile: string;
    readonly disk: string;
  }> => {
    const spec = await specOf();
    const memoryFile = join(directory, `${spec.id}.memory`);
    await writeFile(memoryFile, "");
    await chown(memoryFile, uid, uid);
    const machine = await hypervisor.boot(
      { ...spec, kernel: subject.kernel, initramfs: subject.initramfs, memoryFile },
      signal,
    );
    return { machine, memoryFile, disk: spec.disk };
  };
  /** A machine frozen after its guest agent answered, as every restore needs one. */
  const freeze = async (): Promise<{
    readonly memoryFile: string;
    readonly deviceState: string;
    readonly disk: string;
  }> => {
    const { machine, memoryFile, disk } = await boot();
    await guestListens(machine);
    await machine.stop(signal);
    const deviceState = join(directory, `${machine.id}.state`);
    await machine.saveDeviceState(deviceState, signal);
    await machine.destroy();
    return { memoryFile, deviceState, disk };
  };
  const frozen = await freeze();
  const restoreSpec = async (change: Partial<RestoreSpec> = {}): Promise<RestoreSpec> => ({
    ...(await specOf(frozen.disk)),
    memoryFile: frozen.memoryFile,
    deviceState: frozen.deviceState,
    ...change,
  });

  test(`${name}: a machine booted on private memory runs, can be frozen, and writes nothing into the file`, async () => {
    const spec = await specOf();
    const memoryFile = join(directory, `${spec.id}.memory`);
    await writeFile(memoryFile, "");
    await truncate(memoryFile, spec.memoryMib * 2 ** 20);
    const machine = await hypervisor.boot(
      { ...spec, kernel: subject.kernel, initramfs: subject.initramfs, memoryFile, privateMemory: true },
      signal,
    );
    await guestListens(machine);
    await machine.stop(signal);
    await machine.saveDeviceState(join(directory, `${machine.id}.state`), signal);
    await machine.destroy();
    const { size, blocks } = await stat(memoryFile);
    assert.deepEqual([size, blocks], [spec.memoryMib * 2 ** 20, 0]);
  });

  test(`${name}: a restored machine's guest answers; destroy removes everything and may be repeated`, async () => {
    let loadings = 0;
    const machine = await hypervisor.restore(await restoreSpec({ onLoading: () => void loadings++ }), signal);
    assert.equal(loadings, 1, "it says when it loads the state");
    await guestListens(machine);
    assert.ok(await alive(machine));
    await machine.destroy();
    await machine.destroy();
    assert.equal(await alive(machine), false);
    await assert.rejects(access(machine.directory), { code: "ENOENT" });
    assert.equal((await machine.death).kind, "asked");
  });

  test(`${name}: a machine that may not run yet does not start, and leaves nothing when it never may`, async () => {
    const spec = await restoreSpec();
    const { promise: mayRun, resolve } = Promise.withResolvers<void>();
    let hasStarted = false;
    const starting = hypervisor.restore({ ...spec, mayRun }, signal).then((machine) => {
      hasStarted = true;
      return machine;
    });
    await eventually("its process is being started", () =>
      access(join(spec.directory, "..")).then(() => true),
    );
    await new Promise((done) => setTimeout(done, 500));
    assert.equal(hasStarted, false);
    resolve();
    const machine = await starting;
    await guestListens(machine);
    await machine.destroy();

    const refused = new WrennError("snapshot_corrupt", { what: "memory", problem: "a bit is flipped" });
    const never = await restoreSpec();
    const damage = Promise.reject(refused);
    damage.catch(() => {});
    await assert.rejects(hypervisor.restore({ ...never, mayRun: damage }, signal), refused);
    await assert.rejects(access(never.directory), { code: "ENOENT" });
  });

  test(`${name}: the memory file that machines start from never changes`, async () => {
    const before = await digest(frozen.memoryFile);
    const machines = await Promise.all(
      [restoreSpec(), restoreSpec()].map(async (spec) => await hypervisor.restore(await spec, signal)),
    );
    for (const machine of machines) await guestListens(machine);
    for (const machine of machines) await machine.destroy();
    assert.equal(await digest(frozen.memoryFile), before);
  });

  test(`${name}: a machine that is killed is a crash with its cause, and its methods say that it died`, async () => {
    const machine = await hypervisor.restore(await restoreSpec(), signal);
    process.kill(machine.process.pid, "SIGKILL");
    const death = await machine.death;
    assert.equal(death.kind, "crashed");
    assert.ok(death.detail.length > 0);
    await assert.rejects(machine.stop(signal), (error) => WrennError.is(error, "machine_died"));
    await assert.rejects(machine.memoryRegion(signal), (error) => WrennError.is(error, "machine_died"));
    await machine.destroy();
    await assert.rejects(access(machine.directory), { code: "ENOENT" });
  });

  test(`${name}: stop and resume may be repeated; freezing needs a stopped machine and lets it go on afterwards`, async () => {
    const machine = await hypervisor.restore(await restoreSpec(), signal);
    const state = join(directory, `${machine.id}.again`);
    await assert.rejects(machine.saveDeviceState(state, signal), (error) =>
      WrennError.is(error, "operation_failed"),
    );
    await machine.stop(signal);
    await machine.stop(signal);
    await machine.saveDeviceState(state, signal);
    assert.ok((await stat(state)).size > 0);
    await machine.resume(signal);
    await machine.resume(signal);
    await guestListens(machine);
    await machine.destroy();
  });

  test(`${name}: a machine that is restored stopped stays so until it is resumed`, async () => {
    const machine = await hypervisor.restore({ ...(await restoreSpec()), stopped: true }, signal);
    await machine.saveDeviceState(join(directory, `${machine.id}.waiting`), signal);
    await machine.resume(signal);
    await guestListens(machine);
    await machine.destroy();
  });

  test(`${name}: the disk is switched to a new overlay while the machine is stopped`, async () => {
    const spec = await restoreSpec();
    const machine = await hypervisor.restore(spec, signal);
    const next = join(spec.disk, "../next.qcow2");
    await subject.makeDisk(next, spec.disk);
    await machine.stop(signal);
    assert.equal(await machine.activeDisk(signal), spec.disk);
    await machine.switchDisk(next, signal);
    assert.equal(await machine.activeDisk(signal), next);
    await machine.resume(signal);
    await guestListens(machine);
    await machine.destroy();
  });

  test(`${name}: a running machine is notified of the size of its disk`, async () => {
    const spec = await restoreSpec();
    const machine = await hypervisor.restore(spec, signal);
    await machine.resizeDisk(spec.diskMib * 2 ** 20, signal);
    await guestListens(machine);
    await machine.destroy();
    await assert.rejects(machine.resizeDisk(spec.diskMib * 2 ** 20, signal));
  });

  test(`${name}: a released machine lives on and is adopted; a dead one is not`, async () => {
    const machine = await hypervisor.restore(await restoreSpec(), signal);
    await machine.release();
    assert.ok(await alive(machine));
    const adopted = await hypervisor.adopt(machine.directory, signal);
    assert.deepEqual(adopted?.process, machine.process);
    assert.equal(adopted?.id, machine.id);
    assert.ok(adopted);
    await guestListens(adopted);
    await adopted.stop(signal);
    const state = join(directory, `${machine.id}.adopted`);
    await adopted.saveDeviceState(state, signal);
    assert.ok((await stat(state)).size > 0);
    await adopted.resume(signal);
    await guestListens(adopted);
    process.kill(machine.process.pid, "SIGKILL");
    await adopted.death;
    assert.equal(await hypervisor.adopt(machine.directory, signal), undefined);
    await adopted.destroy();
    assert.equal(await hypervisor.adopt(join(directory, "nothing"), signal), undefined);
  });

  test(`${name}: a machine whose host has no room for its writes cannot be frozen, and continues without loss`, async () => {
    await using filling = await subject.startOverfilling(await specOf(), signal);
    const { machine } = filling;
    const isFull = (error: unknown): boolean => WrennError.is(error, "disk_full");
    await eventually("the machine is stalled", () => machine.stall, { timeoutMs: 300_000 });
    assert.equal(machine.stall?.reason, "disk_full");
    const state = join(directory, `${machine.id}.stalled`);
    await assert.rejects(machine.stop(signal), isFull);
    await assert.rejects(machine.saveDeviceState(state, signal), isFull);
    await assert.rejects(machine.switchDisk(join(directory, "missing.qcow2"), signal), isFull);
    await assert.rejects(access(state), { code: "ENOENT" });
    await machine.resume(signal);

    // A host agent that starts now has not seen the event.
    await machine.release();
    const adopted = await hypervisor.adopt(machine.directory, signal);
    assert.ok(adopted);
    assert.deepEqual(adopted.stall, machine.stall);
    await assert.rejects(adopted.stop(signal), isFull);

    const seen: unknown[] = [];
    adopted.onStall((stall) => seen.push(stall));
    subject.setRoom(false);
    await filling.makeRoom();
    await new Promise((resolve) => setTimeout(resolve, 2 * RETRY_MS));
    assert.ok(adopted.stall, "room for one write is not enough");
    subject.setRoom(true);
    await filling.written;
    await eventually("the stall is over", () => adopted.stall === undefined);
    assert.deepEqual(seen, [undefined]);
    await adopted.stop(signal);
    await adopted.saveDeviceState(state, signal);
    assert.ok((await stat(state)).size > 0);
    await adopted.destroy();
  });

  test(`${name}: a machine that is stalled cannot be frozen and continues when there is room, also under a new owner`, async () => {
    const machine = await hypervisor.restore(await restoreSpec(), signal);
    let hasRoom = false;
    await machine.stallUntil(directory, async () => hasRoom, signal);
    assert.deepEqual(machine.stall, { reason: "disk_full", path: directory });
    await assert.rejects(machine.stop(signal), (error: unknown) => WrennError.is(error, "disk_full"));
    await machine.resume(signal);
    assert.ok(machine.stall, "nothing but room ends the stall");
    hasRoom = true;
    await eventually("the stall is over", () => machine.stall === undefined, { timeoutMs: 30_000 });
    await guestListens(machine);

    await Promise.all([machine.stop(signal), machine.stallUntil(directory, async () => false, signal)]);
    assert.equal(machine.stall, undefined, "a machine that an operation stops is left as it is");
    await machine.saveDeviceState(join(directory, `${machine.id}.stopped`), signal);
    await machine.resume(signal);

    await machine.stallUntil(directory, async () => false, signal);
    await machine.release();
    subject.setRoom(false);
    const adopted = await hypervisor.adopt(machine.directory, signal);
    assert.ok(adopted);
    await new Promise((resolve) => setTimeout(resolve, 2 * RETRY_MS));
    assert.ok(adopted.stall, "a new owner leaves it stalled while there is no room");
    subject.setRoom(true);
    await eventually("the machine continues", () => adopted.stall === undefined, { timeoutMs: 30_000 });
    await guestListens(adopted);
    await adopted.destroy();
  });

  const { startBreaking } = subject;
  const canBreak = startBreaking ? {} : { skip: "nothing makes this VMM give up a machine here" };
  test(`${name}: a machine that its VMM gives up is a crash with the cause`, canBreak, async () => {
    const machine = await startBreaking?.(await specOf(), signal);
    assert.ok(machine);
    const death = await machine.death;
    assert.equal(death.kind, "crashed");
    assert.match(death.detail, /gave up the machine/);
    assert.equal(await alive(machine), false);
    await assert.rejects(machine.resume(signal), (error) => WrennError.is(error, "machine_died"));
    const state = join(directory, `${machine.id}.broken`);
    await assert.rejects(machine.saveDeviceState(state, signal), (error) =>
      WrennError.is(error, "machine_died"),
    );
    await machine.destroy();
  });

  test(`${name}: what cannot start says why and leaves nothing`, async () => {
    await writeFile(join(directory, "damaged"), "not a device state");
    const attempts: readonly (readonly [string, Hypervisor, Partial<RestoreSpec>, string])[] = [
      ["program missing", subject.broken, {}, "dependency_missing"],
      ["state missing", hypervisor, { deviceState: join(directory, "missing") }, "machine_start_failed"],
      ["state damaged", hypervisor, { deviceState: join(directory, "damaged") }, "machine_start_failed"],
      ["memory missing", hypervisor, { memoryFile: join(directory, "missing") }, "machine_start_failed"],
      ["diff missing", hypervisor, { memoryDiff: join(directory, "missing") }, "machine_start_failed"],
      ["diff damaged", hypervisor, { memoryDiff: join(directory, "damaged") }, "machine_start_failed"],
      ["another size", hypervisor, { memoryMib: subject.memoryMib * 2 }, "machine_start_failed"],
      ["disk missing", hypervisor, { disk: join(directory, "missing.qcow2") }, "machine_start_failed"],
    ];
    for (const [what, driver, change, reason] of attempts) {
      const spec = await restoreSpec(change);
      await assert.rejects(
        driver.restore(spec, signal),
        (error) => error instanceof WrennError && error.reason === reason,
        what,
      );
      await assert.rejects(access(spec.directory), { code: "ENOENT" }, what);
    }
  });

  test(`${name}: an aborted start leaves nothing`, async () => {
    const spec = await restoreSpec();
    await assert.rejects(hypervisor.restore(spec, AbortSignal.abort(new Error("enough"))), /enough/);
    await assert.rejects(access(spec.directory), { code: "ENOENT" });
  });
}

async function alive(machine: Machine): Promise<boolean> {
  return await access(`/proc/${machine.process.pid}`).then(
    () => true,
    () => false,
  );
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
