/** What one slot may take of the host's network. */
export interface SlotLimits {
  /** Sustained bytes per second, in each direction. */
  readonly bytesPerSecond: number;
  /** Bytes that may pass at full speed after a quiet time. */
  readonly burstBytes: number;
  /** Connections that the guest may hold open at once. */
  readonly connections: number;
  /** Connections that it may open per second, once it has opened as many as it may hold. */
  readonly connectionsPerSecond: number;
}

/** Defaults of docs/reference/hosts.md#network. */
export const DEFAULT_LIMITS: SlotLimits = {
  bytesPerSecond: 209_715_200,
  burstBytes: 104_857_600,
  connections: 4096,
  connectionsPerSecond: 250,
};

/** Packets wait at most this long for their turn before they are dropped. */
const QUEUE_SECONDS = 0.05;

/**
 * The shapers of a slot, for `tc -batch -`: what leaves by the TAP device goes into the guest, what leaves by eth0 comes from it.
 * Waiting instead of dropping keeps TCP at the limit rather than far below.
 */
export function compileLimits(limits: SlotLimits, devices: readonly string[]): string {
  const rate = `rate ${limits.bytesPerSecond}bps burst ${limits.burstBytes}b`;
  // Segments of up to 64 KiB pass as one.
  const queue = `limit ${Math.max(262_144, Math.floor(limits.bytesPerSecond * QUEUE_SECONDS))}b`;
  return devices.map((device) => `qdisc replace dev ${device} root tbf ${rate} ${queue}\n`).join("");
}
