import { textOfBytes, WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { FileChange, FileChangeType, UnwatchedReason } from "@wrenn/protocol";

/** Two paths of 4,096 bytes, their lengths, kind and type. */
const RECORD_LIMIT = 16_384;
const LENGTH_FIELD = 4;
const OVERFLOW = 6;
const UNWATCHED = 7;

const types: readonly (FileChangeType | undefined)[] = [
  undefined,
  "create",
  "write",
  "remove",
  "rename",
  "chmod",
];

/** Cuts the stream of a watch into its events (guest protocol §6), which may lie across parts in any way. */
export async function* readChanges(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<FileChange, void, undefined> {
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of source) {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part]);
    for (let size = recordSize(rest); size <= rest.length; size = recordSize(rest)) {
      yield readChange(rest.subarray(LENGTH_FIELD, size), offset);
      rest = rest.subarray(size);
      offset += size;
    }
  }
}

/** Size of the first record with its length, as far as that is known. */
function recordSize(bytes: Buffer): number {
  if (bytes.length < LENGTH_FIELD) return Infinity;
  const length = bytes.readUInt32LE();
  if (length > RECORD_LIMIT)
    throw new WrennError("guest_protocol", { problem: `an event of ${length} bytes` });
  return LENGTH_FIELD + length;
}

function readChange(record: Buffer, offset: number): FileChange {
  const reader = new guestChannel.BodyReader(record);
  const kind = reader.u8();
  const directory = reader.u8() === 1;
  const path = textOfBytes(reader.bytes());
  const oldPath = textOfBytes(reader.bytes());
  if (kind === OVERFLOW) return { type: "overflow", offset };
  if (kind === UNWATCHED) return { type: "unwatched", offset, path, reason: reasonOf(oldPath) };
  const type = types[kind];
  if (!type) throw new WrennError("guest_protocol", { problem: `an event of unknown kind ${kind}` });
  return { type, offset, path, directory, ...(type === "rename" ? { oldPath } : {}) };
}

const reasons: readonly UnwatchedReason[] = ["limit", "permission", "depth"];

function reasonOf(text: string): UnwatchedReason {
  return reasons.find((reason) => reason === text) ?? "unavailable";
}
