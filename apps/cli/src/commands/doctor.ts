import { silentLogger } from "@wrenn/core";
import {
  bootCheck,
  buildNative,
  doctorJson,
  e2bRoutesCheck,
  hostProbe,
  isHealthy,
  renderDoctor,
  runDoctor,
  standardChecks,
} from "@wrenn/host-setup";
import { dataPaths, nativeParts, readConfig, startHostAgent } from "@wrenn/server";
import { readMetrics } from "../client/read-metrics.ts";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";

/** A first boot builds the image, too. */
const LIMIT_MS = 15 * 60_000;

/** Says whether capsules can run here; the exit code is 0 only if they can. */
export async function doctor(options: { readonly json?: boolean }): Promise<void> {
  const { dataDirectory, accelerator = "auto", machineStart = "zygote" } = readConfig(process.env);
  const signal = AbortSignal.timeout(LIMIT_MS);
  // The probes are built when there is a compiler; without one the check of the packages says so.
  await buildNative({ projectRoot, progress: () => {}, signal }).catch(() => {});
  const { kvmProbe, zygote, shim } = nativeParts;
  const libraries = { zygote, shim };
  const checks = standardChecks({ dataDirectory, kvmProbe, accelerator, libraries, machineStart });
  const host = await runDoctor({ probe: hostProbe, checks, signal });
  const lastCheck = bootCheck({ startAgent, possible: isHealthy(host) });
  const paths = dataPaths(dataDirectory);
  const routesCheck = e2bRoutesCheck(async (stop) => await readMetrics(paths, stop));
  const boot = await runDoctor({ probe: hostProbe, checks: [routesCheck, lastCheck], signal });
  const results = [...host, ...boot];
  process.stdout.write(
    options.json
      ? `${JSON.stringify(doctorJson(results), undefined, 2)}\n`
      : renderDoctor(results, { colour: process.stdout.isTTY }),
  );
  if (!isHealthy(results)) throw new CommandExit(1);
}

/** A host agent for one check: it serves no ports and its log goes nowhere. */
async function startAgent(dataDirectory: string, signal: AbortSignal) {
  const { agent, settle } = await startHostAgent(
    {
      logger: silentLogger,
      connections: { inUse: () => false, drain: async () => {}, end: () => {}, reset: () => {} },
      progress: () => {},
    },
    {
      config: { ...readConfig(process.env), dataDirectory, warmMachines: 0, parkedMachines: 0 },
      version: "0",
    },
    signal,
  );
  settle();
  return agent;
}
