import { readFile } from "node:fs/promises";

/** QEMU's name of the timer chip in a saved state, with the length before it. */
const NAME = Buffer.from("\u0005i8254", "latin1");
/** Mark of a section that holds a whole device. */
const WHOLE_DEVICE = 0x04;
/** The mark and the number of the section, which stand before the name. */
const BEFORE_NAME = 5;

/**
 * Whether the machine that saved this state has the timer chip of a PC (i8254). Machines that Wrenn booted before it left the chip out
 * have one, and their states load only into a machine that has one as well.
 *
 * @throws Error of the file system when the state cannot be read.
 */
export async function hasTimerChip(deviceState: string): Promise<boolean> {
  const state = await readFile(deviceState);
  for (let at = state.indexOf(NAME); at >= 0; at = state.indexOf(NAME, at + 1))
    if (state[at - BEFORE_NAME] === WHOLE_DEVICE) return true;
  return false;
}
