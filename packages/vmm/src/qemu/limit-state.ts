import { Transform } from "node:stream";
import { WrennError } from "@wrenn/core";

/**
 * Passes a device state on. QEMU decides what it sends: a state without an end would fill the host's disk, and an empty one would
 * be a pause that no resume follows.
 *
 * @returns a stream that fails with `operation_failed` when there are more than `limit` bytes, or none.
 */
export function limitState(limit: number): Transform {
  let total = 0;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      total += bytes.length;
      if (total > limit) done(refused(`QEMU sends more than ${limit} bytes`));
      else done(null, bytes);
    },
    flush(done) {
      done(total === 0 ? refused("QEMU sends nothing") : null);
    },
  });
}

function refused(problem: string): WrennError {
  return new WrennError("operation_failed", { operation: "saving the device state", problem });
}
