import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { OutputStream } from "@wrenn/protocol";

const FLAG_TERMINAL = 1;
const FLAG_INPUT_ENDED = 2;

/** One process as the guest lists it (guest protocol §5). */
export interface ProcessRecord {
  readonly handle: number;
  readonly pid: number;
  readonly terminal: boolean;
  readonly inputEnded: boolean;
  readonly cols: number;
  readonly rows: number;
  /** Offset of the oldest byte that the guest still holds. */
  readonly oldest: Readonly<Record<OutputStream, number>>;
  readonly inputReceived: number;
  readonly label: Buffer;
}

/** @throws WrennError `guest_protocol` for a record that is cut, or of a handle that no host has chosen. */
export function readProcessRecord(reader: guestChannel.BodyReader): ProcessRecord {
  const handle = reader.u32();
  if (handle < 1 || handle >= guestChannel.HANDLE_LIMIT)
    throw new WrennError("guest_protocol", { problem: `a process with the handle ${handle}` });
  const pid = reader.u32();
  reader.u64(); // start time: the guest itself guards against reused pids
  reader.u8(); // state: WAIT tells it
  const flags = reader.u8();
  const cols = reader.u16();
  const rows = reader.u16();
  reader.u32(); // exit code and signal come with WAIT
  reader.u32();
  const output = (): number => {
    const oldest = reader.u64();
    reader.u64();
    reader.u8();
    return oldest;
  };
  const oldest = { stdout: output(), stderr: output() };
  return {
    handle,
    pid,
    terminal: (flags & FLAG_TERMINAL) !== 0,
    inputEnded: (flags & FLAG_INPUT_ENDED) !== 0,
    cols,
    rows,
    oldest,
    inputReceived: reader.u64(),
    label: reader.bytes(),
  };
}
