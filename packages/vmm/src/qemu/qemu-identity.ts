import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { release } from "node:os";
import { problemOf, WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { formatIdentity } from "../machine-identity.ts";
import { cpuArgument, cpuUnderKvm } from "./command-line.ts";
import type { AcceleratorSettings } from "./command-line.ts";
import type { QmpClient } from "./qmp-client.ts";

const ANSWER_MS = 20_000;
const MACHINE_TYPE = "microvm";
const DEVICES = "blk,net,serial2,rng";
const HASH_DIGITS = 16;

/**
 * Identity of the machines that one QEMU program starts with these settings. The program is asked again when its file has
 * changed: a package upgrade replaces it while the host agent runs.
 */
export function createQemuIdentity(qemu: string, settings: AcceleratorSettings): () => Promise<string> {
  let known: { readonly file: string; readonly identity: Promise<string> } | undefined;
  return async () => {
    const file = await fileVersion(qemu);
    if (known?.file !== file) {
      const identity = ask(qemu, settings);
      known = { file, identity };
      // An answer that failed is asked for again.
      identity.catch(() => (known = undefined));
    }
    return await known.identity;
  };
}

async function ask(qemu: string, settings: AcceleratorSettings): Promise<string> {
  const { stdout } = await runCommand([qemu, "--version"], { signal: AbortSignal.timeout(ANSWER_MS) });
  return identityOf(stdout.split("\n")[0] ?? "", settings, () => cpuHash(qemu, settings));
}

async function identityOf(
  vmm: string,
  settings: AcceleratorSettings,
  hash: () => Promise<string>,
): Promise<string> {
  const base = { vmm, machineType: MACHINE_TYPE, accelerator: settings.accelerator, devices: DEVICES };
  if (settings.accelerator === "tcg") return formatIdentity({ ...base, cpu: cpuArgument(settings) });
  const cpu = `${settings.cpuModel ?? "host"}@${await hash()}`;
  // A named model is the same on all hosts of a fleet; what KVM adds to the host's own CPU comes from the kernel.
  return formatIdentity({
    ...base,
    cpu,
    ...(settings.cpuModel === undefined ? { hostKernel: release() } : {}),
  });
}

/** Hash of every property of the CPU that guests see under KVM, as QEMU computes them on this host. */
async function cpuHash(qemu: string, settings: AcceleratorSettings): Promise<string> {
  const model = cpuUnderKvm(settings.accelerator === "kvm" ? settings.cpuModel : undefined);
  const commands = [
    { execute: "qmp_capabilities" },
    { execute: "query-cpu-model-expansion", arguments: { type: "full", model } },
    { execute: "quit" },
  ];
  const machine = [
    "-M",
    "none",
    "-accel",
    "kvm",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
  ] as const;
  const { stdout } = await runCommand([qemu, ...machine, "-qmp", "stdio"], {
    input: commands.map((command) => `${JSON.stringify(command)}\n`).join(""),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  return hashExpansion(stdout);
}

/**
 * The hash of the CPU's properties in QEMU's answers, whatever their order.
 *
 * @throws WrennError `operation_failed` when there is no such answer.
 */
export function hashExpansion(answers: string): string {
  try {
    for (const line of answers.split("\n")) {
      if (line.trim() === "") continue;
      const answer = JSON.parse(line) as {
        readonly return?: { readonly model?: { readonly props?: Readonly<Record<string, unknown>> } };
        readonly error?: { readonly desc: string };
      };
      if (answer.error) throw new Error(answer.error.desc);
      const props = answer.return?.model?.props;
      if (!props) continue;
      const sorted = Object.entries(props).toSorted(([one], [other]) => (one < other ? -1 : 1));
      return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, HASH_DIGITS);
    }
    throw new Error("QEMU does not answer");
  } catch (error) {
    throw new WrennError(
      "operation_failed",
      { operation: "asking QEMU for the CPU that guests see", problem: problemOf(error) },
      { cause: error },
    );
  }
}

/**
 * Identity of a machine that an earlier version started, which did not write it down: by what its process was started with.
 * Under KVM that version did not look at the host's CPU, so its states fit no identity of today.
 */
export async function identityOfProcess(pid: number, qmp: QmpClient, signal: AbortSignal): Promise<string> {
  const { qemu, package: vendor } = await qmp.execute("query-version", undefined, signal);
  const named = vendor === "" ? "" : ` (${vendor})`;
  const started = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
  return formatIdentity({
    vmm: `QEMU emulator version ${qemu.major}.${qemu.minor}.${qemu.micro}${named}`,
    machineType: MACHINE_TYPE,
    accelerator: started[started.indexOf("-accel") + 1] === "kvm" ? "kvm" : "tcg",
    cpu: cpuArgument({ accelerator: "tcg", tscKhz: 0 }),
    devices: DEVICES,
  });
}

async function fileVersion(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(path);
    return `${dev}/${ino}/${size}/${mtimeMs}`;
  } catch (error) {
    throw new WrennError("dependency_missing", { what: path }, { cause: error });
  }
}
