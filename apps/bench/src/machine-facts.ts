import { readFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { HostFacts } from "@wrenn/protocol";
import { tryCommand } from "@wrenn/system";

/** The machine that numbers belong to; printed beside them. */
export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly accelerator: string;
  /** The program that machines run in, with its version. */
  readonly machineProgram: string;
  /** One-minute load average when measuring began. */
  readonly load: number;
  /** Share of CPU time that the hypervisor gave to others since boot, in percent. */
  readonly stealPercent: number;
}

export async function machineFacts(host: HostFacts): Promise<MachineFacts> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    accelerator: host.accelerator,
    machineProgram: await qemuVersion(),
    load: loadavg()[0] ?? 0,
    stealPercent: stealPercent(await readFile("/proc/stat", "utf8")),
  };
}

/** One line for people. */
export function describeFacts(facts: MachineFacts): string {
  return `${facts.cores} × ${facts.cpu}, ${facts.memoryGiB} GiB, kernel ${facts.kernel}, ${facts.machineProgram}, accelerator ${facts.accelerator}, Node ${facts.node}, load ${facts.load.toFixed(2)}, steal ${facts.stealPercent} %`;
}

async function qemuVersion(): Promise<string> {
  const { stdout } = await tryCommand(["qemu-system-x86_64", "--version"]);
  return `QEMU ${/version ([\d.]+)/.exec(stdout)?.[1] ?? "of unknown version"}`;
}

/** From the first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal. */
function stealPercent(stat: string): number {
  const ticks = (stat.split("\n")[0] ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, value) => sum + value, 0);
  return Math.round(((ticks[7] ?? 0) / total) * 1000) / 10;
}
