import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defined, KeyedQueue, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type {
  HostFacts,
  TemplateCopyState,
  TemplateFacts,
  TemplateManifest,
  TemplatePartRange,
} from "@wrenn/protocol";
import { hasCode, sealFile } from "@wrenn/system";
import type { DiskClaim, DiskReserve } from "../disks/disk-reserve.ts";
import { asDiskFull } from "../disks/full-disk.ts";
import { freezeTemplate, NEW_TEMPLATE_BYTES } from "../templates/freeze-template.ts";
import type { FreezeTemplateDeps } from "../templates/freeze-template.ts";
import { frozenFiles } from "../templates/frozen-template.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";
import type { SnapshotTemplates } from "../templates/snapshot-templates.ts";
import type { TemplateBases } from "../templates/template-bases.ts";
import type { BootKernel } from "../machines/machines.ts";
import type { ContentDigests } from "./content-digests.ts";
import { differenceTo } from "./foreign-memory.ts";
import { PartReceiver } from "./part-receiver.ts";
import { invalid, requestedParts } from "./requested-copy.ts";
import type { RequestedParts } from "./requested-copy.ts";
import type { TemplateImages } from "./template-images.ts";

/** How long what has arrived of a copy waits for the rest. */
const IDLE_MS = 10 * 60_000;

export interface ReceivedTemplatesDeps extends Omit<FreezeTemplateDeps, "progress"> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly facts: Pick<HostFacts, "architecture">;
  readonly reserve: Pick<DiskReserve, "claim" | "path">;
  readonly snapshots: SnapshotTemplates;
  readonly bases: Pick<TemplateBases, "images">;
  readonly images: TemplateImages;
  readonly digests: Pick<ContentDigests, "of">;
  readonly bootFiles: (signal: AbortSignal, release?: string) => Promise<BootKernel>;
  /** @throws Error for a disk that is not a plain overlay of a capsule; gives the size that guests see. */
  readonly overlaySize: (disk: string) => Promise<number>;
  /** Lets a disk begin with another image of the same content. */
  readonly rebaseDisk: (disk: string, image: string, signal: AbortSignal) => Promise<void>;
  /** Everything on this host that may need an image. */
  readonly used: () => readonly FrozenTemplate[];
}

interface Copy {
  readonly manifest: TemplateManifest;
  readonly parts: RequestedParts;
  /** Whether the memory of the other host runs here. */
  readonly isFrozen: boolean;
  /** Where the files of the template arrive. */
  readonly directory: string;
  readonly own: readonly PartReceiver[];
  readonly image: Disposable;
  readonly claim: DiskClaim;
  /** Aborts when it is discarded. */
  readonly ended: AbortController;
  usedAt: number;
}

/** Receives templates of other hosts. Until a copy is complete it is no template, and a restart of the host agent removes it. */
export class ReceivedTemplates {
  readonly #deps: ReceivedTemplatesDeps;
  readonly #queue = new KeyedQueue();
  readonly #copies = new Map<string, Copy>();
  /** Images that arrive, by their digests: templates that are copied at the same time share them. */
  readonly #images = new Map<string, PartReceiver>();
  readonly #closing = new AbortController();

  constructor(deps: ReceivedTemplatesDeps) {
    this.#deps = deps;
  }

  /** See {@link HostAgent.beginTemplateCopy}. */
  async begin(manifest: TemplateManifest, signal: AbortSignal): Promise<TemplateCopyState> {
    const { key } = manifest;
    return await this.#queue.run(key, async () => {
      if (this.#deps.snapshots.get(key)) return { isReady: true, missing: [] };
      let copy = this.#copies.get(key);
      if (copy && !isSame(copy.manifest, manifest)) {
        await this.#discard(copy);
        copy = undefined;
      }
      copy ??= await this.#open(manifest, signal);
      copy.usedAt = this.#deps.clock.monotonic();
      const missing: { digest: string; fromBlock: number }[] = [];
      for (const receiver of await this.#receivers(copy))
        if (!receiver.isComplete)
          missing.push({ digest: receiver.part.digest, fromBlock: receiver.nextBlock });
      return { isReady: false, missing };
    });
  }

  /** See {@link HostAgent.writeTemplatePart}. */
  async write(
    { key, digest, fromBlock }: TemplatePartRange,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const copy = this.#require(key);
    const receiver = (await this.#receivers(copy)).find(({ part }) => part.digest === digest);
    if (!receiver) throw invalid(key, "the part is none of it");
    const touch = (): void => void (copy.usedAt = this.#deps.clock.monotonic());
    const either = AbortSignal.any([signal, copy.ended.signal]);
    try {
      const refused = await receiver.receive(fromBlock, touching(content, touch), either);
      if (refused?.kind === "busy") throw new WrennError("template_copy_busy", { template: key });
      if (refused) throw invalid(key, refused.problem);
    } catch (error) {
      throw asDiskFull(error, this.#deps.reserve.path);
    }
    // Given up meanwhile: its directory is gone, or another copy has it.
    if (this.#copies.get(key) !== copy) throw new WrennError("template_not_found", { template: key });
    if (receiver.part.role === "image") await this.#keepImage(digest);
  }

  /** See {@link HostAgent.finishTemplateCopy}. */
  async finish(key: string, signal: AbortSignal): Promise<TemplateFacts> {
    const { snapshots } = this.#deps;
    return await this.#queue.run(key, async () => {
      const known = snapshots.get(key);
      if (known) return factsOf(known);
      const copy = this.#require(key);
      for (const { isComplete, part } of await this.#receivers(copy))
        if (!isComplete) throw invalid(key, `the ${part.role} is not complete`);
      try {
        return factsOf(await this.#finish(copy, signal));
      } catch (error) {
        throw asDiskFull(error, this.#deps.reserve.path);
      } finally {
        await this.#discard(copy);
      }
    });
  }

  /** See {@link HostAgent.abandonTemplateCopy}. */
  async abandon(key: string): Promise<void> {
    await this.#queue.run(key, async () => {
      const copy = this.#copies.get(key);
      if (copy) await this.#discard(copy);
    });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new WrennError("host_unavailable", {}));
    await this.#queue.drain();
    for (const key of this.#copies.keys()) await this.abandon(key);
  }

  /** @throws WrennError `snapshot_incompatible`, `template_copy_invalid`, `disk_full`. */
  async #open(manifest: TemplateManifest, signal: AbortSignal): Promise<Copy> {
    const { snapshots, reserve, images, clock } = this.#deps;
    const { key, frozenProcesses } = manifest;
    const parts = requestedParts(manifest);
    const { facts, machines } = this.#deps;
    const difference = await differenceTo(manifest, facts, machines.hypervisor, signal);
    // Of a template without processes of users, any host can make the memory itself.
    if (difference !== undefined && (frozenProcesses || difference.isOfMachines))
      throw new WrennError("snapshot_incompatible", { difference: difference.text });
    const isFrozen = difference === undefined;
    const own = isFrozen ? [parts.disk, parts.memory, parts.deviceState] : [parts.disk];
    await using undo = new AsyncDisposableStack();
    const image = undo.use(images.pin(parts.image.digest));
    const hasImage = await this.#findImage(parts.image.digest, parts.image.sizeBytes, signal);
    const bytes = [...own, ...(hasImage ? [] : [parts.image])].reduce((sum, part) => sum + part.dataBytes, 0);
    const claim = undo.use(await reserve.claim(bytes + (isFrozen ? 0 : NEW_TEMPLATE_BYTES), "new"));
    const directory = await snapshots.stage(key);
    const copy: Copy = {
      manifest,
      parts,
      isFrozen,
      directory,
      own: own.map((part) => new PartReceiver(part, join(directory, fileOf[part.role]))),
      image,
      claim,
      ended: new AbortController(),
      usedAt: clock.monotonic(),
    };
    undo.move();
    this.#copies.set(key, copy);
    void this.#discardWhenIdle(copy);
    return copy;
  }

  /** Finds an image here by its content; one that a template of this host's own begins with is used as well. */
  async #findImage(digest: string, sizeBytes: number, signal: AbortSignal): Promise<boolean> {
    const { images, bases, digests, logger } = this.#deps;
    if (await images.find(digest)) return true;
    if (this.#images.has(digest)) return false;
    for (const image of await bases.images())
      try {
        const content = await digests.of(image, signal);
        if (content.sizeBytes !== sizeBytes || content.digest !== digest) continue;
        await images.share(digest, image);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        // It was removed at this moment, or is on another file system: the image is copied then.
        if (!hasCode(error, "ENOENT", "EXDEV", "EMLINK")) throw error;
        logger.debug("template.image_not_shared", { image, problem: problemOf(error) });
      }
    return false;
  }

  /** What arrives for a copy: its own files, and its image while that is not there. */
  async #receivers({ parts, own }: Copy): Promise<readonly PartReceiver[]> {
    const { images } = this.#deps;
    const { digest } = parts.image;
    if (await images.find(digest)) return own;
    let receiver = this.#images.get(digest);
    if (!receiver) {
      // Known from now on, so that two copies do not begin it both.
      receiver = new PartReceiver(parts.image, images.stagedPath(digest));
      this.#images.set(digest, receiver);
      await images.stage(digest);
    }
    return [receiver, ...own];
  }

  async #keepImage(digest: string): Promise<void> {
    if (!this.#images.get(digest)?.isComplete) return;
    this.#images.delete(digest);
    await this.#deps.images.keep(digest);
  }

  /** Makes the template of what has arrived. */
  async #finish(copy: Copy, signal: AbortSignal): Promise<FrozenTemplate> {
    const { images, overlaySize, rebaseDisk } = this.#deps;
    const { manifest, parts, directory, isFrozen } = copy;
    const { key, diskMib } = manifest;
    const image = await images.find(parts.image.digest);
    if (image === undefined) throw invalid(key, "its image is gone");
    const disk = join(directory, frozenFiles.disk);
    let size: number;
    try {
      size = await overlaySize(disk);
    } catch (error) {
      throw invalid(key, problemOf(error));
    }
    if (size !== diskMib * 2 ** 20)
      throw invalid(key, `its disk has ${size} bytes instead of ${diskMib} MiB`);
    await rebaseDisk(disk, image, signal);
    return isFrozen
      ? await this.#adopt(copy, dirname(image))
      : await this.#freeze(copy, dirname(image), signal);
  }

  async #adopt({ manifest, own, directory }: Copy, imageDirectory: string): Promise<FrozenTemplate> {
    for (const { path } of own) await sealFile(path);
    const { key, vcpus, memoryMib, diskMib, hypervisor, metadata, clockKhz, defaults } = manifest;
    const { frozenProcesses, ownPrograms } = manifest;
    return await this.#deps.snapshots.adopt(directory, {
      name: key,
      shape: { vcpus, memoryMib },
      hash: key,
      imageDirectory,
      diskMib,
      hypervisor,
      frozenProcesses,
      metadata,
      ...(ownPrograms ? { ownPrograms } : {}),
      ...defined({ clockKhz, defaults }),
    });
  }

  /** Boots the disk and freezes the machine: that of the other host does not run here. */
  async #freeze(
    { manifest, directory }: Copy,
    imageDirectory: string,
    signal: AbortSignal,
  ): Promise<FrozenTemplate> {
    const { snapshots, machines, bootFiles, logger } = this.#deps;
    const { key, vcpus, memoryMib, diskMib, metadata, ownPrograms, defaults = { envs: {} } } = manifest;
    const shape = { vcpus, memoryMib };
    const below = join(directory, frozenFiles.disk);
    const { hypervisor } = machines;
    await sealFile(below);
    logger.info("template.freezing_copy", { template: key });
    return await snapshots.create(
      key,
      {
        template: { shape, readable: [imageDirectory], memoryFile: join(directory, frozenFiles.memory) },
        layers: [below],
        diskMib,
        defaults,
        ownPrograms,
        freeze: async (target, inner) => {
          const made = await freezeTemplate(
            {
              name: key,
              shape,
              kernel: await bootFiles(inner, metadata["kernel_version"]),
              disk: { backing: below, readable: [imageDirectory, below] },
              directory: target,
              // The path of a socket is short: that of a template may be too long for one.
              machineDirectory: snapshots.machineDirectory(key),
              diskMib,
              warm: ownPrograms,
            },
            { ...this.#deps, progress: () => {} },
            inner,
          );
          const identity = await hypervisor.identity(inner);
          return {
            metadata: made,
            hypervisor: identity,
            ...defined({ clockKhz: hypervisor.guestClock?.khz }),
          };
        },
      },
      async () => signal.throwIfAborted(),
      signal,
    );
  }

  async #discard(copy: Copy): Promise<void> {
    const { images, used } = this.#deps;
    const { manifest, parts, directory } = copy;
    if (this.#copies.get(manifest.key) !== copy) return;
    this.#copies.delete(manifest.key);
    copy.ended.abort(new WrennError("template_not_found", { template: manifest.key }));
    await rm(directory, { recursive: true, force: true });
    copy.image[Symbol.dispose]();
    copy.claim[Symbol.dispose]();
    const { digest } = parts.image;
    const isShared = [...this.#copies.values()].some((other) => other.parts.image.digest === digest);
    if (isShared) return;
    this.#images.delete(digest);
    await images.discard(digest);
    await images.collect(used());
  }

  async #discardWhenIdle(copy: Copy): Promise<void> {
    const { clock, logger } = this.#deps;
    const { key } = copy.manifest;
    try {
      for (;;) {
        const idleMs = clock.monotonic() - copy.usedAt;
        if (idleMs >= IDLE_MS) break;
        await clock.sleep(IDLE_MS - idleMs, this.#closing.signal);
        if (this.#copies.get(key) !== copy) return;
      }
      logger.info("template.copy_expired", { template: key });
      await this.#queue.run(key, () => this.#discard(copy));
    } catch (error) {
      if (!this.#closing.signal.aborted)
        logger.warn("template.copy_left", { template: key, problem: problemOf(error) });
    }
  }

  #require(key: string): Copy {
    const copy = this.#copies.get(key);
    if (!copy) throw new WrennError("template_not_found", { template: key });
    return copy;
  }
}

const fileOf = {
  image: "image",
  disk: frozenFiles.disk,
  memory: frozenFiles.memory,
  "device-state": frozenFiles.deviceState,
} as const;

/** Whether a copy can be continued: its files are the same. */
function isSame(one: TemplateManifest, other: TemplateManifest): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function factsOf({ name, sizeBytes, shape }: FrozenTemplate): TemplateFacts {
  return { name, sizeBytes, ...shape };
}

async function* touching(content: AsyncIterable<Uint8Array>, touch: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    touch();
    yield chunk;
  }
}
