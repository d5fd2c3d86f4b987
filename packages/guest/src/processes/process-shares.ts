import { LAST_BLOCK_COST, logCost, WrennError } from "@wrenn/core";
import type { OutputStream } from "@wrenn/protocol";
import type { BufferShare, CapsuleBuffer } from "../memory/capsule-buffer.ts";

/** What a process may send unasked, in the order of preference: less when the capsule's memory is nearly full. */
const RINGS = [262_144, 65_536, 16_384] as const;
/** The same of a terminal: what it has printed stands before the answer to the next key (decision 46). */
const TERMINAL_RINGS = [32_768, 16_384] as const;
/** What the host keeps of a process in any case, with its command line. */
const PROCESS_OVERHEAD = 4096;

export type ProcessKind = "attached" | "terminal" | "detached";

/** The shares of one process in the memory of its capsule. */
export interface ProcessShares extends Readonly<Record<OutputStream, BufferShare>> {
  readonly buffer: CapsuleBuffer;
  /** Bytes that each stream may send unasked. */
  readonly ring: number;
  /** Closes what is not of a stream. */
  readonly close: () => void;
}

/**
 * Makes room for a process and its output.
 *
 * @param label - memory of what the host keeps about it.
 * @param kind - whose output waits for readers, a terminal, or whose output never waits.
 * @throws WrennError `guest_busy`.
 */
export function reserveProcess(buffer: CapsuleBuffer, label: number, kind: ProcessKind): ProcessShares {
  const [facts, stdout, stderr] = [buffer.open(), buffer.open(), buffer.open()];
  const shares = { buffer, stdout, stderr, close: () => facts.close() };
  // Output that never waits needs no room: what there is none for is dropped.
  const isAttached = kind !== "detached";
  const attachedRings = kind === "terminal" ? TERMINAL_RINGS : RINGS;
  const rings = isAttached ? attachedRings : RINGS.slice(-1);
  if (facts.reserve(label + PROCESS_OVERHEAD)) {
    for (const ring of rings) {
      const isLast = ring === RINGS.at(-1);
      const cost = isAttached ? logCost(ring) : LAST_BLOCK_COST;
      const fits = (share: BufferShare): boolean =>
        isLast ? share.reserve(cost) : share.reserve(cost, "growth");
      if (fits(stdout) && fits(stderr)) return { ...shares, ring };
      stdout.close();
      stderr.close();
    }
    facts.close();
  }
  throw new WrennError("guest_busy", { problem: "there is no room for the output of another process" });
}
