import { readFile } from "node:fs/promises";
import { tryCommand } from "@wrenn/system";

/**
 * Frequency of the host's time stamp counter in kHz: what the kernel measured at boot, else the nominal CPU frequency.
 * A guest under software emulation reads the host's counter and has no timer to measure it with.
 */
export async function readTscKhz(signal: AbortSignal): Promise<number | undefined> {
  const log = await tryCommand(["dmesg"], { signal }).catch(() => undefined);
  return tscFromKernelLog(log?.stdout ?? "") ?? tscFromCpuInfo(await readFile("/proc/cpuinfo", "utf8"));
}

/** From "tsc: Refined TSC clocksource calibration: 2596.110 MHz" or "tsc: Detected 2596.110 MHz processor"; the refined one is better. */
export function tscFromKernelLog(log: string): number | undefined {
  const match =
    /tsc: Refined TSC clocksource calibration: ([\d.]+) MHz/.exec(log) ??
    /tsc: Detected ([\d.]+) MHz/.exec(log);
  return match?.[1] === undefined ? undefined : Math.round(Number(match[1]) * 1000);
}

/** From the "cpu MHz" line, which is the current and not always the nominal frequency. */
export function tscFromCpuInfo(cpuinfo: string): number | undefined {
  const match = /^cpu MHz\s*:\s*([\d.]+)/m.exec(cpuinfo);
  return match?.[1] === undefined ? undefined : Math.round(Number(match[1]) * 1000);
}
