import type { guestChannel } from "@wrenn/protocol";

export interface GuestInfo {
  readonly agentVersion: string;
  readonly kernelRelease: string;
  /** Random when the agent started; the same in all clones of one frozen machine. */
  readonly instance: bigint;
  readonly uptimeMs: number;
  readonly wallClockNs: bigint;
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
}

export interface ListeningPort {
  readonly family: 4 | 6;
  readonly port: number;
  readonly address: Uint8Array;
  readonly uid: number;
}

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
  };
}

export function readPorts(answer: guestChannel.BodyReader): readonly ListeningPort[] {
  return answer.list(() => ({
    family: answer.u8() === 6 ? 6 : 4,
    port: answer.u16(),
    address: Uint8Array.from(answer.bytes()),
    uid: answer.u32(),
  }));
}
