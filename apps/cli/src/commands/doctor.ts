import {
  buildNative,
  doctorJson,
  hostProbe,
  isHealthy,
  renderDoctor,
  runDoctor,
  standardChecks,
} from "@wrenn/host-setup";
import type { Check } from "@wrenn/host-setup";
import { bootCheck, nativeParts, readConfig } from "@wrenn/server";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";

/** A first boot builds the image, too. */
const LIMIT_MS = 15 * 60_000;

/** Says whether capsules can run here; the exit code is 0 only if they can. */
export async function doctor(options: { readonly json?: boolean }): Promise<void> {
  const { dataDirectory } = readConfig(process.env);
  const signal = AbortSignal.timeout(LIMIT_MS);
  // The probes are built when there is a compiler; without one the check of the packages says so.
  await buildNative({ projectRoot, progress: () => {}, signal }).catch(() => {});
  const checks = standardChecks({ dataDirectory, kvmProbe: nativeParts.kvmProbe });
  const host = await runDoctor({ probe: hostProbe, checks, signal });
  const boot = await runDoctor({ probe: hostProbe, checks: [bootsForReal(isHealthy(host))], signal });
  const results = [...host, ...boot];
  process.stdout.write(
    options.json
      ? `${JSON.stringify(doctorJson(results), undefined, 2)}\n`
      : renderDoctor(results, { colour: process.stdout.isTTY }),
  );
  if (!isHealthy(results)) throw new CommandExit(1);
}

/** Starts one real machine and runs one command in it, if everything it needs is there. */
function bootsForReal(possible: boolean): Check {
  return {
    id: "boot",
    title: "A real machine",
    why: "it is what everything else is for",
    inspect: async (_probe, signal) => {
      if (!possible) return { status: "fail", found: "not tried", remedy: "Mend what failed above first." };
      const result = await bootCheck(readConfig(process.env), signal);
      return "ms" in result
        ? { status: "ok", found: `started and ran a command in ${result.ms} ms`, remedy: "" }
        : { status: "fail", found: result.problem, remedy: "WRENN_LOG_LEVEL=debug ./wrenn up shows more." };
    },
  };
}
