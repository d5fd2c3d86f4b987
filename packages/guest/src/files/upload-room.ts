import { WrennError } from "@wrenn/core";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";

/** Bytes of an upload that may be on their way, in the order of preference. */
const BACKLOGS = [1 << 20, 64 << 10] as const;
/** The piece of content that is sent next. */
const PIECE_BYTES = 64 << 10;

export interface UploadRoom extends Disposable {
  /** Bytes that may be on their way to the guest. */
  readonly backlog: number;
}

/** Room for an upload in the memory of its capsule. @throws WrennError `guest_busy`. */
export function reserveUpload(buffer: CapsuleBuffer): UploadRoom {
  const share = buffer.open();
  const [large, small] = BACKLOGS;
  const isLarge = share.reserve(large + PIECE_BYTES, "growth");
  if (!isLarge && !share.reserve(small + PIECE_BYTES))
    throw new WrennError("guest_busy", { problem: "there is no room for another upload" });
  return { backlog: isLarge ? large : small, [Symbol.dispose]: () => share.close() };
}
