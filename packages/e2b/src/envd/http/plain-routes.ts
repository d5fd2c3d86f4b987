import type { EnvdSandbox } from "../envd-sandbox.ts";
import { readKernelFile } from "../filesystem/read-kernel-file.ts";
import { answerJson } from "./exchange.ts";
import type { AgentExchange } from "./exchange.ts";

const OK = 200;
const NO_CONTENT = 204;
const KIB = 1024;
const MIB = 1 << 20;

/** Answers `GET /health`: the sandbox runs. */
export function answerHealth(response: AgentExchange["response"]): void {
  response.writeHead(NO_CONTENT, { "cache-control": "no-store" }).end();
}

/** Answers `GET /metrics`. */
export async function answerMetrics(sandbox: EnvdSandbox, { response, left }: AgentExchange): Promise<void> {
  const measured = await sandbox.measure(left);
  answerJson(response, OK, {
    ts: Math.floor(measured.at),
    cpu_count: measured.cpuCount,
    cpu_used_pct: measured.cpuUsedPercent,
    mem_total: measured.memoryTotalBytes,
    mem_used: measured.memoryUsedBytes,
    mem_cache: await pageCacheBytes(sandbox, left),
    mem_total_mib: Math.round(measured.memoryTotalBytes / MIB),
    mem_used_mib: Math.round(measured.memoryUsedBytes / MIB),
    disk_used: measured.diskUsedBytes,
    disk_total: measured.diskTotalBytes,
  });
}

/** Memory of the page cache, which `mem_used` does not contain: the platform counts it as free. 0 where the guest does not say. */
async function pageCacheBytes({ files }: EnvdSandbox, signal: AbortSignal): Promise<number> {
  const facts = await readKernelFile("/proc/meminfo", files, signal);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d{1,12}) kB$`, "m").exec(facts)?.[1] ?? 0);
  return (kib("Cached") + kib("SReclaimable")) * KIB;
}

/** Answers `GET /envs`: what every process starts with. */
export async function answerEnvironment(
  sandbox: EnvdSandbox,
  { response, left }: AgentExchange,
): Promise<void> {
  answerJson(response, OK, await sandbox.environment(left));
}
