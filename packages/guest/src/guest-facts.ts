import { WrennError } from "@wrenn/core";
import type { guestChannel, ListeningPort } from "@wrenn/protocol";

export interface GuestInfo {
  readonly agentVersion: string;
  readonly kernelRelease: string;
  /** Random when the agent started; the same in all clones of one frozen machine. */
  readonly instance: bigint;
  readonly uptimeMs: number;
  readonly wallClockNs: bigint;
  /** How its disk was when it was booted; undefined of agents of earlier versions. */
  readonly diskAtBoot?: DiskAtBoot;
}

/** `checked`: it had not been unmounted, and was checked and repaired before it was used. */
export type DiskAtBoot = "clean" | "checked";

/** How a guest ended its work before its machine is switched off. */
export interface Shutdown {
  /** Processes that did not end within the grace and were killed. */
  readonly killed: number;
  /** Why its disk has to be checked at the next boot; undefined when it is unmounted in an orderly way. */
  readonly problem?: string;
}

/** What is absent stays as it is in the guest. */
export interface GuestConfiguration {
  readonly wallClockNs?: bigint;
  /** The clock approaches `wallClockNs` by running faster or slower, by 0.5 ms a second; default: it is stepped. */
  readonly slewClock?: boolean;
  /** At most 512 bytes, all of them counted as entropy. */
  readonly entropy?: Uint8Array;
  readonly hostname?: string;
  /** 32 hex digits. */
  readonly machineId?: string;
  readonly restoreCount?: bigint;
  readonly runHooks?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface QuiesceOptions {
  readonly sync?: boolean;
  readonly dropCache?: boolean;
  /** Freezes the users' processes until {@link thaw}. */
  readonly freeze?: boolean;
}

export interface GuestCounters {
  readonly wallClockNs: bigint;
  readonly uptimeMs: number;
  readonly cpus: number;
  readonly cpuBusyTicks: number;
  readonly cpuTotalTicks: number;
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  readonly diskTotal: number;
  readonly diskUsed: number;
  readonly inodesTotal: number;
  readonly inodesUsed: number;
  readonly processes: number;
  readonly listeningPorts: number;
  readonly load: number;
  /** Differs when the listening sockets do; undefined for an agent of an earlier version. */
  readonly listeners: bigint | undefined;
  /** Undefined for an agent of an earlier version. */
  readonly oom: GuestOom | undefined;
  /** Bytes of the page cache; undefined for an agent of an earlier version. */
  readonly memoryCached: number | undefined;
}

/** Processes that the guest's kernel killed because there was no memory. */
export interface GuestOom {
  readonly kills: number;
  /** Of the last one, as are the others. */
  readonly wallClockNs: bigint;
  readonly pid: number;
  readonly memoryBytes: number;
  readonly process: string;
}

/** What listens in the guest. */
export interface GuestListeners {
  readonly ports: readonly ListeningPort[];
  /** How many there are: the agent lists 256 at most. */
  readonly total: number;
}

const LISTENER_LIMIT = 256;
const NAME_LIMIT = 64;
const protocols: Readonly<Record<number, ListeningPort["protocol"]>> = { 6: "tcp", 17: "udp" };

export function readCounters(answer: guestChannel.BodyReader): GuestCounters {
  return {
    wallClockNs: answer.bigint(),
    uptimeMs: answer.u64(),
    cpus: answer.u32(),
    cpuBusyTicks: answer.u64(),
    cpuTotalTicks: answer.u64(),
    memoryTotal: answer.u64(),
    memoryAvailable: answer.u64(),
    diskTotal: answer.u64(),
    diskUsed: answer.u64(),
    inodesTotal: answer.u64(),
    inodesUsed: answer.u64(),
    processes: answer.u32(),
    listeningPorts: answer.u32(),
    load: answer.u64() / 1000,
    listeners: answer.left === 0 ? undefined : answer.bigint(),
    oom: answer.left === 0 ? undefined : readOom(answer),
    memoryCached: answer.left === 0 ? undefined : answer.u64(),
  };
}

function readOom(answer: guestChannel.BodyReader): GuestOom {
  return {
    kills: answer.u32(),
    wallClockNs: answer.bigint(),
    pid: answer.u32(),
    memoryBytes: answer.u64(),
    process: answer.text(),
  };
}

export function readShutdown(answer: guestChannel.BodyReader): Shutdown {
  const killed = answer.u32();
  const problem = answer.text();
  return { killed, ...(problem === "" ? {} : { problem }) };
}

/** Agents of earlier versions end their answer before it. */
export function readDiskAtBoot(answer: guestChannel.BodyReader): DiskAtBoot | undefined {
  if (answer.left === 0) return undefined;
  return answer.u8() === 0 ? "clean" : "checked";
}

/** An agent of an earlier version lists no more than TCP ports. */
export function readPorts(answer: guestChannel.BodyReader): GuestListeners {
  const all = answer.list(() => {
    answer.u8();
    const port = answer.u16();
    return { protocol: "tcp", port, address: addressOf(answer.bytes()), uid: answer.u32() } as const;
  });
  return { ports: all.slice(0, LISTENER_LIMIT), total: all.length };
}

export function readListeners(answer: guestChannel.BodyReader): GuestListeners {
  const total = answer.u32();
  const ports = answer.list((): ListeningPort => {
    const protocol = protocols[answer.u8()];
    if (!protocol) throw new WrennError("guest_protocol", { problem: "a listener of no known protocol" });
    const port = answer.u16();
    const address = addressOf(answer.bytes());
    const uid = answer.u32();
    const pid = answer.u32();
    const name = answer.text().slice(0, NAME_LIMIT);
    return { protocol, port, address, uid, ...(pid > 0 ? { pid, process: name } : {}) };
  }, LISTENER_LIMIT);
  return { ports, total: Math.max(total, ports.length) };
}

/** @throws WrennError `guest_protocol` for what is not an address of 4 or 16 bytes. */
function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16)
    throw new WrennError("guest_protocol", { problem: `an address of ${bytes.length} bytes` });
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  // Written in the shortest form (RFC 5952).
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}
