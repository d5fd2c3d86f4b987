import { defined, WrennError } from "@wrenn/core";
import { packBlocks } from "@wrenn/protocol";
import type { HostFacts, TemplateManifest, TemplatePart, TemplatePartRange } from "@wrenn/protocol";
import { hasCode } from "@wrenn/system";
import { templateDiskMib } from "../templates/frozen-template.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";
import type { SnapshotTemplates } from "../templates/snapshot-templates.ts";
import type { ContentDigests } from "./content-digests.ts";
import { readBlocks } from "./template-blocks.ts";
import type { MapFile } from "./template-blocks.ts";

export interface TemplateExportDeps {
  readonly snapshots: Pick<SnapshotTemplates, "get">;
  readonly digests: Pick<ContentDigests, "of">;
  readonly mapFile: MapFile;
  /** Path of the image that a disk lies on. */
  readonly imageBelow: (disk: string) => Promise<string>;
  readonly facts: Pick<HostFacts, "architecture">;
  /** Identity of this host's hypervisor. */
  readonly hypervisor: (signal: AbortSignal) => Promise<string>;
}

/** Gives templates of this host to other hosts. */
export class TemplateExports {
  readonly #deps: TemplateExportDeps;

  constructor(deps: TemplateExportDeps) {
    this.#deps = deps;
  }

  /** See {@link HostAgent.describeTemplate}. */
  async describe(key: string, signal: AbortSignal): Promise<TemplateManifest> {
    const { digests, facts, hypervisor } = this.#deps;
    const template = this.#require(key);
    const { shape, defaults, metadata, frozenProcesses, ownPrograms = false, clockKhz } = template;
    try {
      const parts: TemplatePart[] = [];
      for (const [role, path] of await this.#files(template))
        parts.push({ role, ...(await digests.of(path, signal)) });
      return {
        key,
        architecture: facts.architecture,
        ...shape,
        diskMib: templateDiskMib(template),
        frozenProcesses,
        ownPrograms,
        hypervisor: template.hypervisor ?? (await hypervisor(signal)),
        metadata,
        parts,
        ...defined({ clockKhz, defaults }),
      };
    } catch (error) {
      throw orGone(error, key);
    }
  }

  /** See {@link HostAgent.readTemplatePart}. */
  async read(
    { key, digest, fromBlock }: TemplatePartRange,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { digests, mapFile } = this.#deps;
    try {
      for (const [, path] of await this.#files(this.#require(key)))
        if ((await digests.of(path, signal)).digest === digest)
          return orGoneIn(packBlocks(readBlocks(path, mapFile, fromBlock, signal)), key);
    } catch (error) {
      throw orGone(error, key);
    }
    throw new WrennError("template_not_found", { template: key });
  }

  #require(key: string): FrozenTemplate {
    const template = this.#deps.snapshots.get(key);
    if (!template) throw new WrennError("template_not_found", { template: key });
    return template;
  }

  async #files({
    disk,
    memoryFile,
    deviceState,
  }: FrozenTemplate): Promise<readonly (readonly [TemplatePart["role"], string])[]> {
    return [
      ["image", await this.#deps.imageBelow(disk)],
      ["disk", disk],
      ["memory", memoryFile],
      ["device-state", deviceState],
    ];
  }
}

/** A template whose files are removed while it is read is not there any longer. */
function orGone(error: unknown, key: string): unknown {
  return hasCode(error, "ENOENT") ? new WrennError("template_not_found", { template: key }) : error;
}

async function* orGoneIn(content: AsyncIterable<Uint8Array>, key: string): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    throw orGone(error, key);
  }
}
