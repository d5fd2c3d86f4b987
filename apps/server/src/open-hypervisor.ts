import { join } from "node:path";
import { defined, systemClock } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { IncompatibleCapsules } from "@wrenn/host-agent";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import {
  chooseAccelerator,
  chooseQemu,
  createQemuHypervisor,
  DEFAULT_QEMU,
  MachineZygote,
  measureTscKhz,
  settleTscKhz,
} from "@wrenn/vmm";
import type { Accelerator, Hypervisor, QemuOptions } from "@wrenn/vmm";
import { dataPaths } from "./config/server-config.ts";
import type { ServerConfig } from "./config/server-config.ts";
import { nativeParts } from "./native-parts.ts";
import { rememberedProbe } from "./remembered-probe.ts";

/** Frequency that emulated guests boot with; next to the templates, which are frozen with it. */
const TSC_FILE = "tsc-khz";
/** What KVM can do since this boot. */
const KVM_FILE = "kvm-probe.json";

/** What machines of this host are started with. */
export interface OpenedHypervisor {
  readonly hypervisor: Hypervisor;
  readonly accelerator: Accelerator;
}

/** Starts what machines are forked from, in the background; undefined where they are executed. */
export function startZygote({ machineStart }: ServerConfig, logger: Logger): MachineZygote | undefined {
  if (machineStart === "exec") {
    logger.info("host.machine_start", { way: machineStart });
    return undefined;
  }
  const { zygote: library, shim } = nativeParts;
  const options = { program: DEFAULT_QEMU, library, preloaded: [shim], clock: systemClock, logger };
  const zygote = new MachineZygote(options);
  zygote.start();
  return zygote;
}

/**
 * Chooses what machines run on, and logs the choice with its reason.
 *
 * @param hasRoom - whether machines continue that have met a full disk.
 * @throws WrennError `kvm_unusable`, `tsc_unusable`, `dependency_missing`.
 */
export async function openHypervisor(
  config: ServerConfig,
  logger: Logger,
  { hasRoom, run, zygote }: Pick<QemuOptions, "hasRoom" | "run"> & { readonly zygote?: MachineZygote },
  signal: AbortSignal,
): Promise<OpenedHypervisor> {
  const { jail, shim, kvmProbe } = nativeParts;
  const probe = rememberedProbe({ file: join(config.cacheDirectory, KVM_FILE) });
  const accelerator = await chooseAccelerator(kvmProbe, config.accelerator ?? "auto", signal, probe);
  logger.info("host.accelerator", { ...accelerator });
  const { cacheDirectory } = config;
  const base = { logger, jail, shim, cacheDirectory, hasRoom, ...defined({ run, zygote }) };
  if (accelerator.accelerator === "kvm") {
    const { cpuModel } = config;
    const qemu = await chooseQemu({ accelerator: "kvm" });
    if (zygote && qemu.path !== DEFAULT_QEMU) {
      zygote[Symbol.dispose]();
      logger.info("host.machine_start", { way: "exec", problem: `${qemu.path} cannot be forked` });
    }
    const settings = { accelerator: "kvm", qemu, ...defined({ cpuModel }) } as const;
    const hypervisor = await createQemuHypervisor({ ...base, ...settings });
    return { hypervisor, accelerator };
  }
  const measured = await measureTscKhz(kvmProbe, signal);
  const tscKhz = await settleTscKhz(measured, join(config.cacheDirectory, TSC_FILE));
  return { hypervisor: await createQemuHypervisor({ ...base, accelerator: "tcg", tscKhz }), accelerator };
}

/** Warns when machines run on something else than at the last start, and of paused capsules that cannot be resumed here. */
export async function reportChanges(
  config: ServerConfig,
  { accelerator, reason }: Accelerator,
  incompatible: IncompatibleCapsules,
  logger: Logger,
): Promise<void> {
  const file = dataPaths(config.dataDirectory).accelerator;
  const before = readRecord(await readFileIfPresent(file));
  const facts = { paused_capsules_not_resumable: incompatible.count };
  if (before !== undefined && before !== accelerator)
    logger.warn("host.accelerator_changed", { before, now: accelerator, reason, ...facts });
  if (incompatible.count > 0)
    logger.warn("host.capsules_incompatible", { ...facts, difference: incompatible.differences.join(" | ") });
  await writeFileAtomic(file, `${JSON.stringify({ accelerator })}\n`);
}

function readRecord(text: string | undefined): string | undefined {
  try {
    return (JSON.parse(text ?? "{}") as { readonly accelerator?: string }).accelerator;
  } catch {
    return undefined;
  }
}
