import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { defined } from "@wrenn/core";
import { isSameFrequency } from "@wrenn/vmm";
import type { GuestClock } from "@wrenn/vmm";
import { allocatedBytes } from "../disks/disks.ts";
import type { Disks } from "../disks/disks.ts";
import { freezeTemplate, NEW_TEMPLATE_BYTES } from "./freeze-template.ts";
import { frozenFiles } from "./frozen-template.ts";
import type { BootArtifacts, FreezeTemplateDeps } from "./freeze-template.ts";
import type { TemplateBases } from "./template-bases.ts";
import type { TemplateRecipe } from "./template-store.ts";
import type { FrozenTemplate, Shape } from "./frozen-template.ts";

/** Bumped when warming up or freezing changes in a way that old frozen templates must not serve. */
const FREEZE_VERSION = 6;
const KIND = "frozen";
/** Names the artifacts that a frozen template was booted from. Those of earlier versions have no such file. */
const ARTIFACTS = "artifacts";

export interface BootTemplateDeps extends FreezeTemplateDeps {
  readonly disks: Pick<Disks, "create" | "reserve">;
  /** Takes templates into the state directory. */
  readonly bases: Pick<TemplateBases, "keep">;
  /** Builds or finds kernel, initramfs and root file system; `hash` names their content. */
  readonly artifacts: (signal: AbortSignal) => Promise<BootArtifacts & { readonly hash: string }>;
  /** The directory of `kind/key`, if it was built. */
  readonly findBuilt: (kind: string, key: string) => Promise<string | undefined>;
  /** Builds `kind/key` once: `build` fills an empty directory that appears under its final name only when it succeeded. */
  readonly buildOnce: (
    kind: string,
    key: string,
    build: (directory: string) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<string>;
}

export interface BootTemplateOptions {
  readonly name: string;
  readonly defaultShape: Shape;
  readonly diskMib: number;
  /** Whether its programs are those of the product. They are run, so that capsules find them in memory; a user's programs are not. */
  readonly ownPrograms: boolean;
}

/** A template that is booted from artifacts and frozen once per shape. */
export function bootTemplate(
  deps: BootTemplateDeps,
  { name, defaultShape, diskMib, ownPrograms }: BootTemplateOptions,
): TemplateRecipe {
  /** Earlier versions did not name the clock in the key. What they froze is used where its clock is right. */
  const isUnmarkedUsable = async (key: string, clock: GuestClock, signal: AbortSignal): Promise<boolean> => {
    const directory = await deps.findBuilt(KIND, key);
    if (directory === undefined) return false;
    const frozenKhz = await clock.frozenKhz(join(directory, frozenFiles.memory), signal);
    return frozenKhz !== undefined && isSameFrequency(frozenKhz, clock.khz);
  };

  const freeze = async (shape: Shape, signal: AbortSignal): Promise<FrozenTemplate> => {
    const artifacts = await deps.artifacts(signal);
    const hypervisor = await deps.machines.hypervisor.identity(signal);
    const content = { version: FREEZE_VERSION, artifacts: artifacts.hash, hypervisor, shape, diskMib };
    const { guestClock } = deps.machines.hypervisor;
    const key =
      !guestClock || (await isUnmarkedUsable(hashOf(content), guestClock, signal))
        ? hashOf(content)
        : hashOf({ ...content, clockKhz: guestClock.khz });
    const directory = await deps.buildOnce(
      KIND,
      key,
      async (building) => {
        using _room = await deps.disks.reserve.claim(NEW_TEMPLATE_BYTES, "new");
        const metadata = await freezeTemplate(
          {
            name,
            shape,
            kernel: artifacts,
            disk: { backing: artifacts.rootfs, readable: [artifacts.rootfs] },
            directory: building,
            diskMib,
            warm: ownPrograms,
          },
          deps,
          signal,
        );
        await writeFile(join(building, "metadata.json"), JSON.stringify(metadata));
        await writeFile(join(building, ARTIFACTS), artifacts.hash);
      },
      signal,
    );
    const metadata = JSON.parse(await readFile(join(directory, "metadata.json"), "utf8")) as Record<
      string,
      string
    >;
    const files = {
      memory: join(directory, frozenFiles.memory),
      deviceState: join(directory, frozenFiles.deviceState),
      disk: join(directory, frozenFiles.disk),
    };
    const cached: FrozenTemplate = {
      name,
      shape,
      hash: key,
      memoryFile: files.memory,
      deviceState: files.deviceState,
      disk: files.disk,
      readable: [directory, dirname(artifacts.rootfs)],
      metadata,
      frozenProcesses: false,
      sizeBytes: await allocatedBytes(Object.values(files)),
    };
    const kept = await deps.bases.keep(cached, artifacts.rootfs, signal);
    const { shape: _any, ...whole } = content;
    return {
      ...kept,
      diskMib,
      ...(ownPrograms ? { ownPrograms } : {}),
      content: hashOf(whole),
      ...defined({ clockKhz: guestClock?.khz }),
    };
  };
  return { name, defaultShape, freeze, identity: (signal) => deps.machines.hypervisor.identity(signal) };
}

/** Whether a directory of the cache has a template that was booted from the artifacts with this hash. */
export async function isFrozenOf(directory: string, artifactsHash: string): Promise<boolean> {
  return (await readFile(join(directory, ARTIFACTS), "utf8").catch(() => "")) === artifactsHash;
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}
