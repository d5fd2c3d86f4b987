import { ClientError } from "../errors/client-error.ts";
import { REQUESTS } from "./capsule-target.ts";
import type { CopyEntry, CopyFailure, CopySource, CopyTarget } from "./copy-entry.ts";
import { failureOf } from "./copy-errors.ts";
import { inParallel } from "./in-parallel.ts";

/** Files whose hashes are computed by one command in the capsule. */
const BATCH_FILES = 256;
const BATCH_BYTES = 64 << 20;

/** How far a copy is. */
export interface CopyProgress {
  readonly files: number;
  readonly totalFiles: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** What a copy did. */
export interface CopyReport {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Devices, FIFOs and sockets, which are left out. */
  readonly skipped: string[];
  readonly failed: CopyFailure[];
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CopyProgress) => void;
}

/**
 * Copies a file, a link, or a directory with everything in it to a target that {@link placeOf} gave. Entries that cannot be copied
 * are reported; the others are copied.
 *
 * @throws ClientError `special_file`, `not_a_directory`, `is_a_directory`; what concerns the copy as a whole.
 */
export async function copy(
  source: CopySource,
  root: CopyEntry,
  target: CopyTarget,
  options: CopyOptions,
): Promise<CopyReport> {
  const report: CopyReport = { files: 0, directories: 0, links: 0, bytes: 0, skipped: [], failed: [] };
  const name = ({ path }: { readonly path: string }): string =>
    path === "" ? source.label : `${source.label.replace(/[\\/]+$/, "")}/${path}`;
  const fail = (failure: CopyFailure): void => void report.failed.push({ ...failure, path: name(failure) });
  if (root.kind === "special")
    throw new ClientError(
      "usage",
      "special_file",
      `${source.label} is a device, a FIFO or a socket, which has no content to copy`,
      "Read it with a command in the capsule, or pipe it to `wrenn cp - CAPSULE:PATH`.",
    );
  try {
    const below = root.kind === "directory" ? await source.below(fail) : [];
    const all = [root, ...below];
    const directories = all.filter(({ kind }) => kind === "directory");
    const blocked = root.kind === "directory" ? await target.makeDirectories(directories) : [];
    for (const failure of blocked) fail(failure);
    report.directories = directories.length - blocked.length;
    const isBlocked = ({ path }: CopyEntry): boolean =>
      blocked.some((failure) => path === failure.path || path.startsWith(`${failure.path}/`));
    const reachable = blocked.length === 0 ? all : all.filter((entry) => !isBlocked(entry));
    report.skipped.push(...reachable.filter(({ kind }) => kind === "special").map(name));
    await copyFiles(
      source,
      target,
      reachable.filter(({ kind }) => kind === "file"),
      options,
      report,
      fail,
    );
    const links = reachable.filter(({ kind }) => kind === "symlink");
    const unmade = await target.makeLinks(links);
    for (const failure of [...unmade, ...(await target.finish())]) fail(failure);
    report.links = links.length - unmade.length;
    return report;
  } finally {
    await target.close();
  }
}

async function copyFiles(
  source: CopySource,
  target: CopyTarget,
  files: readonly CopyEntry[],
  { signal, onProgress }: CopyOptions,
  report: CopyReport,
  fail: (failure: CopyFailure) => void,
): Promise<void> {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let transferred = 0;
  const advance = (bytes: number): void => {
    transferred += bytes;
    onProgress({ files: report.files, totalFiles: files.length, bytes: transferred, totalBytes });
  };
  for (const batch of batchesOf(files)) {
    signal.throwIfAborted();
    // The other side computes its hashes while the files are transferred.
    const digests = source.digests?.(batch);
    digests?.catch(() => undefined);
    await inParallel(REQUESTS, batch, async (entry) => {
      signal.throwIfAborted();
      let seen = 0;
      const onBytes = (bytes: number): void => {
        advance(bytes - seen);
        seen = bytes;
      };
      try {
        const bytes = await target.writeFile({
          entry,
          open: (offset) => source.open(entry, offset),
          onProgress: onBytes,
          ...(digests ? { expected: () => expectedOf(digests, source.label, entry) } : {}),
        });
        report.bytes += bytes;
        report.files++;
        advance(0);
      } catch (error) {
        signal.throwIfAborted();
        fail(failureOf(entry.path, error));
      }
    });
  }
}

/** @throws ClientError `copy_unverified` where the capsule did not hash the file. */
async function expectedOf(
  digests: Promise<ReadonlyMap<string, string>>,
  label: string,
  { path }: CopyEntry,
): Promise<string> {
  const digest = (await digests).get(path);
  if (digest !== undefined) return digest;
  throw new ClientError(
    "failed",
    "copy_unverified",
    `${label}: the capsule could not compute the SHA-256 of ${path === "" ? "the file" : path}`,
    "Install xargs and sha256sum in the capsule, or copy with --no-verify, which compares sizes only.",
  );
}

function batchesOf(files: readonly CopyEntry[]): readonly (readonly CopyEntry[])[] {
  const batches: CopyEntry[][] = [];
  let batch: CopyEntry[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length > 0 && (batch.length >= BATCH_FILES || bytes + file.size > BATCH_BYTES)) {
      batches.push(batch);
      [batch, bytes] = [[], 0];
    }
    batch.push(file);
    bytes += file.size;
  }
  return batch.length === 0 ? batches : [...batches, batch];
}
