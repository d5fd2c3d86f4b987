import { posix } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleFiles, FileChange, FileEntry, FileOptions } from "@wrenn/protocol";

/** How long an answer to an upload waits for watches that have not reported it. */
const SETTLE_MS = 1000;
/** Directories above a new file that may be missing. */
const MOST_MISSING = 64;

type UploadedFiles = Pick<CapsuleFiles, "stat">;

/** Where an upload goes. */
interface Place {
  /** Absolute, and real as far as it exists. */
  readonly path: string;
  readonly isNew: boolean;
}

/** A watched directory. */
interface WatchedTree {
  /** Real path. */
  readonly root: string;
  readonly recursive: boolean;
  /** Uploads that it has not reported yet, by path below the root. */
  readonly expected: Map<string, ExpectedUpload>;
}

interface ExpectedUpload {
  readonly isNew: boolean;
  readonly reported: PromiseWithResolvers<void>;
}

/**
 * Reports uploads to watches as E2B's agent would. That agent creates a file, gives it to its user and writes it; here a file appears
 * complete, which the guest reports as one change. Clients wait for the write, and ask for the events right after the upload.
 */
export class UploadNotices {
  readonly #clock: Clock;
  /** By sandbox. */
  readonly #trees = new Map<string, Set<WatchedTree>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The changes of a watch, those of uploads in the form of E2B's agent. */
  async *follow(
    sandboxId: string,
    { root, recursive }: Pick<WatchedTree, "root" | "recursive">,
    changes: AsyncIterable<FileChange>,
  ): AsyncGenerator<FileChange, void> {
    const tree: WatchedTree = { root, recursive, expected: new Map() };
    const trees = this.#trees.get(sandboxId) ?? new Set();
    this.#trees.set(sandboxId, trees.add(tree));
    try {
      for await (const change of changes) {
        const appeared = change.type === "create" || change.type === "write" ? change : undefined;
        const upload = appeared && tree.expected.get(appeared.path);
        if (!appeared || !upload) {
          yield change;
          continue;
        }
        tree.expected.delete(appeared.path);
        if (upload.isNew) yield { ...appeared, type: "create" };
        yield { ...appeared, type: "chmod" };
        yield { ...appeared, type: "write" };
        upload.reported.resolve();
      }
    } finally {
      for (const { reported } of tree.expected.values()) reported.resolve();
      trees.delete(tree);
      if (trees.size === 0) this.#trees.delete(sandboxId);
    }
  }

  /**
   * Writes a file that a client uploads, and waits until watches of its directory have reported it, for a second at most.
   *
   * @throws what `write` throws.
   */
  async during(
    { id, files }: { readonly id: string; readonly files: UploadedFiles },
    target: string,
    options: FileOptions,
    write: () => Promise<FileEntry>,
  ): Promise<FileEntry> {
    const trees = this.#trees.get(id);
    const place = trees && (await placeOf(files, target, options));
    if (!trees || !place) return await write();
    const notices = [...trees].flatMap((tree) => expectIn(tree, place));
    try {
      const entry = await write();
      await this.#untilReported(notices);
      return entry;
    } finally {
      for (const notice of notices) notice.withdraw();
    }
  }

  async #untilReported(notices: readonly Notice[]): Promise<void> {
    if (notices.length === 0) return;
    const enough = new AbortController();
    const patience = this.#clock.sleep(SETTLE_MS, enough.signal).catch(() => undefined);
    await Promise.race([Promise.all(notices.map(({ reported }) => reported)), patience]);
    enough.abort();
  }
}

interface Notice {
  readonly reported: Promise<void>;
  withdraw(): void;
}

function expectIn({ root, recursive, expected }: WatchedTree, { path, isNew }: Place): readonly Notice[] {
  const prefix = root === "/" ? "/" : `${root}/`;
  if (!path.startsWith(prefix)) return [];
  const name = path.slice(prefix.length);
  if (!recursive && name.includes("/")) return [];
  const upload: ExpectedUpload = { isNew, reported: Promise.withResolvers() };
  expected.set(name, upload);
  return [
    {
      reported: upload.reported.promise,
      withdraw: () => {
        if (expected.get(name) === upload) expected.delete(name);
      },
    },
  ];
}

/** Where a file will be; undefined where this cannot be known, so that writing it tells why. */
async function placeOf(
  files: UploadedFiles,
  target: string,
  options: FileOptions,
): Promise<Place | undefined> {
  const there = await realPath(files, target, options);
  if (there !== undefined) return { path: there, isNew: false };
  let rest = "";
  let missing = target;
  for (let depth = 0; depth < MOST_MISSING && posix.dirname(missing) !== missing; depth++) {
    rest = posix.join(posix.basename(missing), rest);
    missing = posix.dirname(missing);
    // The guest takes other relative paths as below the home.
    const parent = await realPath(files, missing === "." ? "~" : missing, options);
    if (parent !== undefined) return { path: posix.join(parent, rest), isNew: true };
  }
  return undefined;
}

async function realPath(
  files: UploadedFiles,
  path: string,
  options: FileOptions,
): Promise<string | undefined> {
  try {
    return (await files.stat(path, { ...options, follow: true })).path;
  } catch (error) {
    if (error instanceof WrennError && error.entry.fault === "user") return undefined;
    throw error;
  }
}
