import { present } from "../transport/options.ts";
import type { WireObject } from "../wire/api-types.ts";

/** A moment that a capsule can go back to. */
export interface Checkpoint {
  readonly id: string;
  /** `pause` for the last two pauses, which are kept as well. */
  readonly kind: "checkpoint" | "pause";
  readonly name?: string;
  readonly createdAt: Date;
  /** Size of the changed memory. */
  readonly memoryBytes: number;
  /** Of a pause without memory: going back to it boots its disk. */
  readonly isDiskOnly: boolean;
  /** Milliseconds for which the capsule stood still. */
  readonly stoppedMs?: number;
}

export function checkpointOf(wire: WireObject<"Checkpoint">): Checkpoint {
  return Object.freeze({
    id: wire.id,
    kind: wire.kind as Checkpoint["kind"],
    createdAt: new Date(wire.created_at),
    memoryBytes: wire.memory_bytes,
    isDiskOnly: wire.disk_only ?? false,
    ...present({ name: wire.name, stoppedMs: wire.stopped_ms }),
  });
}
