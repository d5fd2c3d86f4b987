import type { Clock, Logger, Random } from "@wrenn/core";
import type { HostFacts } from "@wrenn/protocol";
import type { Disks } from "../disks/disks.ts";
import type { HostMachines, Machines } from "../machines/machines.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";
import type { Templates } from "../templates/template-store.ts";
import { ContentDigests } from "./content-digests.ts";
import type { MapFile } from "./template-blocks.ts";
import { ReceivedTemplates } from "./received-templates.ts";
import { TemplateExports } from "./template-exports.ts";
import type { TemplateImages } from "./template-images.ts";

/** What copies of templates need of the host's disk; the composition root knows. */
export interface CopyFiles {
  readonly images: TemplateImages;
  readonly mapFile: MapFile;
  /**
   * The header of a disk that may come from elsewhere.
   *
   * @throws Error for a disk that is not a plain overlay of a capsule.
   */
  readonly readOverlay: (
    disk: string,
  ) => Promise<{ readonly backing: { readonly path: string } | undefined; readonly sizeBytes: number }>;
  /** Lets a disk begin with another image of the same content. */
  readonly rebaseDisk: (disk: string, image: string, signal: AbortSignal) => Promise<void>;
}

export interface OpenCopiesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly machines: Pick<HostMachines, "bootFiles"> &
    Pick<Machines<"acquire" | "release">, "hypervisor" | "slots" | "connectGuest">;
  readonly disks: Pick<Disks, "create" | "reserve">;
  readonly templates: Pick<Templates, "snapshots" | "bases">;
  readonly copyFiles: CopyFiles;
  readonly host: { readonly facts: HostFacts };
  readonly used: () => readonly FrozenTemplate[];
}

/** Both sides of copies of templates between hosts: giving and receiving. */
export function openCopies(deps: OpenCopiesDeps): {
  readonly exports: TemplateExports;
  readonly copies: ReceivedTemplates;
} {
  const { copyFiles, disks, host, machines, templates } = deps;
  const { facts } = host;
  const digests = new ContentDigests(copyFiles.mapFile);
  const shared = { ...templates, ...copyFiles, digests, facts };
  return {
    exports: new TemplateExports({
      ...shared,
      hypervisor: (signal) => machines.hypervisor.identity(signal),
      imageBelow: async (disk) => {
        const { backing } = await copyFiles.readOverlay(disk);
        if (backing === undefined) throw new Error(`${disk} lies on no image`);
        return backing.path;
      },
    }),
    copies: new ReceivedTemplates({
      ...deps,
      ...shared,
      bootFiles: machines.bootFiles,
      reserve: disks.reserve,
      overlaySize: async (disk) => (await copyFiles.readOverlay(disk)).sizeBytes,
    }),
  };
}
