import { problemOf, WrennError } from "@wrenn/core";
import { readFileIfPresent, runCommand, writeFileAtomic } from "@wrenn/system";

/**
 * Measurements of one counter differ by less, and so do a measurement and what a kernel found out at its boot. A clock that is
 * wrong by this much is wrong by 20 seconds a day.
 */
const TOLERANCE = 250e-6;

/** Whether two frequencies are those of one counter. */
export function isSameFrequency(oneKhz: number, otherKhz: number): boolean {
  return Math.abs(oneKhz - otherKhz) <= TOLERANCE * Math.max(oneKhz, otherKhz);
}

/**
 * Measures the frequency of the host's time stamp counter, in kHz. A guest under software emulation reads the host's counter
 * and has no timer to measure it with. The frequency that the CPU runs at is another one, and changes.
 *
 * @param program - the built native/kvm-probe.
 * @throws WrennError `tsc_unusable` when the counter's rate is not constant; `command_failed`, `dependency_missing`.
 */
export async function measureTscKhz(program: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await runCommand([program, "--tsc"], { signal });
  return readMeasurement(stdout);
}

/** The program's one line of JSON. */
export function readMeasurement(line: string): number {
  let problem = "its measurement cannot be read";
  try {
    const answer = JSON.parse(line) as { readonly khz?: number; readonly problem?: string };
    if (typeof answer.khz === "number" && answer.khz >= 1) return Math.round(answer.khz);
    problem = answer.problem ?? problem;
  } catch (error) {
    problem = problemOf(error);
  }
  throw new WrennError("tsc_unusable", { problem });
}

/**
 * The frequency that guests of this host boot with: the one that `file` has from an earlier start, unless the counter is clearly
 * another one now. Noise between two measurements thus makes no template a different one.
 */
export async function settleTscKhz(measuredKhz: number, file: string): Promise<number> {
  const settled = Number((await readFileIfPresent(file))?.trim());
  if (settled > 0 && isSameFrequency(settled, measuredKhz)) return settled;
  await writeFileAtomic(file, `${measuredKhz}\n`);
  return measuredKhz;
}
