import { ConcurrencyLimit, SharedWork } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { GuestKernel, ImageDisk, ImageDisks } from "@wrenn/disk-image";
import type { ImageRequest, ImageSettings, ImportedImage, ImportProgress } from "@wrenn/protocol";
import type { DiskClaim, DiskReserve } from "../disks/disk-reserve.ts";
import { asDiskFull } from "../disks/full-disk.ts";
import { ArchiveStore } from "./archive-store.ts";
import type { FoundImage, ImagePuller } from "./image-puller.ts";
import { imageOfTemplate, templateOfImage } from "./image-template-names.ts";

/** Imports that download and unpack at the same time; others wait. */
const AT_ONCE = 2;
/** Disks of images in the cache. What capsules use is not only there. */
const CACHED_DISKS = 32;
/** The control plane asks for capsules of an image some time after its import. */
const KEPT_MS = 60 * 60_000;
/** What an import claims of the host's disk before it is known how large the image is. */
const FIRST_CLAIM_BYTES = 64 * 2 ** 20;
/** Layers, what is in them, the files of the image and the disk: compressed files are about a third of their size. */
const BYTES_PER_DOWNLOADED = 1 + 3 + 3 + 3;

/** Imports of images of registries and archives. */
export interface ImageImports {
  /** Removes what an earlier process has left unfinished. Call it before anything else. */
  open(): Promise<void>;
  /** See {@link HostAgent.receiveImage}. */
  receive(id: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** See {@link HostAgent.dropImage}. */
  drop(id: string): Promise<void>;
  /** See {@link HostAgent.importImage}. */
  import(request: ImageRequest, signal: AbortSignal): Promise<ImportedImage>;
  /** See {@link HostAgent.importProgress}. */
  progress(id: string): ImportProgress | undefined;
  /**
   * Removes disks of images from the cache that were used longest ago, and archives that were forgotten.
   *
   * @param used - names of the templates that something on this host depends on.
   */
  trim(used: ReadonlySet<string>): Promise<void>;
  /** Waits for the imports under way, whose signals have been aborted. */
  settled(): Promise<void>;
}

export interface ImageImportDeps {
  readonly clock: Clock;
  readonly puller: ImagePuller;
  readonly disks: Pick<ImageDisks<ImageSettings>, "key" | "find" | "build" | "trim">;
  /** The kernel that new disks get the modules of. */
  readonly kernel: (signal: AbortSignal) => Promise<GuestKernel>;
  readonly reserve: Pick<DiskReserve, "claim" | "path">;
  /** Of this process alone, for archives that clients send. */
  readonly archives: string;
  /** Size of disks in MiB, unless an image needs more. */
  readonly usualMib: number;
}

/** An import whose image is not known yet, or one of an image. */
interface Import {
  key?: string;
}

/** Makes templates of images: each image once at a time, however many callers ask for it. */
export function createImageImports(deps: ImageImportDeps): ImageImports {
  const places = new ConcurrencyLimit(AT_ONCE);
  const archives = new ArchiveStore({ ...deps, directory: deps.archives });
  const shared = new SharedWork<ImageDisk<ImageSettings>>();
  /** By the id that the caller chose. */
  const imports = new Map<string, Import>();
  /** By the key of the disk that is being made. */
  const progress = new Map<string, ImportProgress>();
  const underWay = new Set<Promise<unknown>>();

  const build = async (
    key: string,
    image: FoundImage,
    kernel: GuestKernel,
    claim: DiskClaim,
    signal: AbortSignal,
  ): Promise<ImageDisk<ImageSettings>> => {
    let totalBytes = 0;
    const tooLarge = new AbortController();
    const either = AbortSignal.any([signal, tooLarge.signal]);
    const report = (now: ImportProgress): void => {
      progress.set(key, now);
      if (totalBytes > 0 || now.phase !== "download") return;
      ({ totalBytes } = now);
      claim.growTo(totalBytes * BYTES_PER_DOWNLOADED).catch((error: unknown) => tooLarge.abort(error));
    };
    return await deps.disks.build(
      {
        digest: image.digest,
        kernel,
        usualMib: deps.usualMib,
        unpack: (scratch) => image.pull(scratch, report, either),
        onTree: async (bytes) => {
          await claim.growTo(2 * bytes);
          report({ phase: "disk", doneBytes: 0, totalBytes: bytes });
        },
      },
      either,
    );
  };

  const make = async (
    key: string,
    image: FoundImage,
    kernel: GuestKernel,
    signal: AbortSignal,
  ): Promise<ImageDisk<ImageSettings>> => {
    progress.set(key, { phase: "download", doneBytes: 0, totalBytes: 0 });
    try {
      return await places.run(async () => {
        using claim = await deps.reserve.claim(FIRST_CLAIM_BYTES, "new");
        return await build(key, image, kernel, claim, signal);
      }, signal);
    } catch (error) {
      throw asDiskFull(error, deps.reserve.path);
    } finally {
      progress.delete(key);
    }
  };

  const find = async (request: ImageRequest, signal: AbortSignal): Promise<FoundImage> => {
    const { archive, reference: name } = request;
    if (!archive) return await deps.puller.find(request, signal);
    const { id, image } = archive;
    await using file = await archives.use(id, name);
    await using scratch = await archives.scratch(request.id);
    const { admit } = archives;
    const found = await deps.puller.findInArchive(
      { path: file.path, name, image, scratch: scratch.path, admit },
      signal,
    );
    return {
      digest: found.digest,
      pull: async (...all) => {
        // Others who have sent the same image may wait for this pull when its own caller leaves.
        await using again = await archives.use(id, name);
        void again;
        return await found.pull(...all);
      },
    };
  };

  const findOrMake = async (
    mine: Import,
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<ImportedImage> => {
    const image = await find(request, signal);
    const kernel = await deps.kernel(signal);
    const key = deps.disks.key(image.digest, kernel);
    mine.key = key;
    const disk =
      (await deps.disks.find(key)) ??
      (await shared.join(key, (inner) => make(key, image, kernel, inner), signal));
    const { digest, diskMib, sizeBytes, settings } = disk;
    return { template: templateOfImage(key), digest, diskMib, sizeBytes, settings };
  };

  const counted = async <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
    }
  };

  return {
    open: () => archives.open(),
    receive: (id, content, signal) => counted(archives.receive(id, content, signal)),
    drop: (id) => archives.drop(id),
    import: async (request, signal) => {
      const mine: Import = {};
      imports.set(request.id, mine);
      try {
        return await counted(findOrMake(mine, request, signal));
      } finally {
        // Another import may have the id by now.
        if (imports.get(request.id) === mine) imports.delete(request.id);
      }
    },
    progress: (id) => {
      const found = imports.get(id);
      if (found === undefined) return undefined;
      return progress.get(found.key ?? "") ?? { phase: "resolve", doneBytes: 0, totalBytes: 0 };
    },
    trim: async (used) => {
      const keys = new Set([...used].map(imageOfTemplate));
      const isKept = (key: string): boolean => keys.has(key);
      await deps.disks.trim(CACHED_DISKS, deps.clock.now() - KEPT_MS, isKept);
      await archives.sweep();
    },
    settled: async () => void (await Promise.allSettled(underWay)),
  };
}
