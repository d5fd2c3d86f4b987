import { problemOf, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { countBlocks, TEMPLATE_BLOCK_BYTES } from "@wrenn/protocol";
import type { HostAgent, MissingPart, TemplateManifest } from "@wrenn/protocol";

/** Attempts without a byte between them. */
const ATTEMPTS = 4;
/** Before the second attempt; then twice as long each time. */
const PAUSE_MS = 500;
/** Until a part is looked at again that another control plane sends. */
const BUSY_MS = 500;

/** What a template is, by the database: no host has a say in it. */
export interface CopiedTemplate {
  /** As errors name it. */
  readonly name: string;
  readonly hostKey: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
}

export interface SentBytes {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface SendTemplateDeps {
  readonly clock: Clock;
  readonly onProgress: (sent: SentBytes) => void;
}

/** Why the host that gives a template could not give it: another one may. */
export class SourceFailed extends Error {
  constructor(cause: unknown) {
    super(problemOf(cause), { cause });
  }
}

/**
 * Sends a template from one host to another, through this process: only what the other one lacks, as fast as the slower of them is.
 * What is cut off continues where it ended.
 *
 * @throws SourceFailed for errors of `source`; of `target` WrennError `disk_full`, `snapshot_incompatible`, `template_copy_invalid`,
 *   `host_unavailable`; the signal's reason.
 */
export async function sendTemplate(
  template: CopiedTemplate,
  source: HostAgent,
  target: HostAgent,
  { clock, onProgress }: SendTemplateDeps,
  signal: AbortSignal,
): Promise<void> {
  const manifest = await ofSource(source.describeTemplate(template.hostKey, signal), signal);
  requireSame(manifest, template);
  const done = new DoneBytes(manifest, onProgress);
  let [attempts, damages] = [0, 0];
  for (;;) {
    const before = done.bytes;
    try {
      const { isReady, missing } = await target.beginTemplateCopy(manifest, signal);
      done.startFrom(isReady ? [] : missing);
      const [part] = missing;
      if (isReady) return;
      if (!part) {
        await target.finishTemplateCopy(template.hostKey, signal);
        return;
      }
      await sendPart({ key: template.hostKey, ...part }, source, target, done, signal);
      attempts = 0;
    } catch (error) {
      signal.throwIfAborted();
      if (WrennError.is(error, "template_copy_busy")) {
        await clock.sleep(BUSY_MS, signal);
        continue;
      }
      if (done.bytes > before) attempts = 0;
      attempts += 1;
      if (WrennError.is(error, "template_copy_invalid")) damages += 1;
      if (!isTemporary(error) || attempts >= ATTEMPTS || damages > 1) throw error;
      await clock.sleep(PAUSE_MS * 2 ** (attempts - 1), signal);
    }
  }
}

async function sendPart(
  range: MissingPart & { readonly key: string },
  source: HostAgent,
  target: HostAgent,
  done: DoneBytes,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  let failed: SourceFailed | undefined;
  const content = async function* content(): AsyncGenerator<Uint8Array> {
    try {
      yield* countBlocks(await source.readTemplatePart(range, either), (bytes) =>
        done.add(range.digest, bytes),
      );
    } catch (error) {
      failed = new SourceFailed(error);
      throw failed;
    }
  };
  try {
    await target.writeTemplatePart(range, content(), either);
  } catch (error) {
    throw failed ?? error;
  } finally {
    ended.abort(new Error("the part is no longer sent"));
  }
}

/** How much of a template has passed. */
class DoneBytes {
  /** What there is of each part. */
  readonly #whole: ReadonlyMap<string, number>;
  readonly #done = new Map<string, number>();
  readonly #onProgress: (sent: SentBytes) => void;

  constructor({ parts }: TemplateManifest, onProgress: (sent: SentBytes) => void) {
    this.#whole = new Map(parts.map(({ digest, dataBytes }) => [digest, dataBytes]));
    this.#onProgress = onProgress;
  }

  /** Of all parts together. */
  get bytes(): number {
    return sum(this.#done.values());
  }

  /** What is not missing is there. Of a part that was begun elsewhere the holes are not known, so that it may count for too much. */
  startFrom(missing: readonly MissingPart[]): void {
    for (const [digest, bytes] of this.#whole) {
      const part = missing.find((one) => one.digest === digest);
      const known = this.#done.get(digest) ?? 0;
      const most = part ? Math.min(bytes, part.fromBlock * TEMPLATE_BLOCK_BYTES) : bytes;
      this.#done.set(digest, part && known > 0 ? Math.min(known, most) : most);
    }
    this.#report();
  }

  add(digest: string, bytes: number): void {
    this.#done.set(digest, (this.#done.get(digest) ?? 0) + bytes);
    this.#report();
  }

  #report(): void {
    const totalBytes = sum(this.#whole.values());
    this.#onProgress({ doneBytes: Math.min(this.bytes, totalBytes), totalBytes });
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}

/** @throws WrennError `template_copy_invalid` when a host describes another template than it was asked for. */
function requireSame(
  manifest: TemplateManifest,
  { hostKey, vcpus, memoryMib, diskMib }: CopiedTemplate,
): void {
  const { key } = manifest;
  const isSame =
    key === hostKey &&
    manifest.vcpus === vcpus &&
    manifest.memoryMib === memoryMib &&
    manifest.diskMib === diskMib;
  if (!isSame)
    throw new SourceFailed(
      new WrennError("template_copy_invalid", {
        template: hostKey,
        problem: `it is ${key} with ${manifest.vcpus} CPUs, ${manifest.memoryMib} MiB and a disk of ${manifest.diskMib} MiB`,
      }),
    );
}

async function ofSource<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    signal.throwIfAborted();
    throw new SourceFailed(error);
  }
}

/** Whether the same may succeed in a moment. */
function isTemporary(error: unknown): boolean {
  const cause = error instanceof SourceFailed ? error.cause : error;
  return (
    WrennError.is(cause, "host_unavailable") ||
    // The target was restarted, or has given the copy up.
    (!(error instanceof SourceFailed) && WrennError.is(cause, "template_not_found")) ||
    WrennError.is(cause, "template_copy_invalid")
  );
}
