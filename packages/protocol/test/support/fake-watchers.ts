import { posix } from "node:path";
import { abortable, Bell } from "@wrenn/core";
import type { FileChange, FileChangeType, FileOptions } from "@wrenn/protocol";

interface TreeChange {
  readonly type: FileChangeType;
  readonly path: string;
  readonly directory: boolean;
  readonly oldPath?: string;
}

interface Watcher {
  readonly root: string;
  readonly recursive: boolean;
  readonly changes: FileChange[];
  offset: number;
  gone: boolean;
  readonly change: Bell;
}

/** Who watches a fake tree. */
export class Watchers {
  readonly #watchers = new Set<Watcher>();

  /** Watches from now on, up to the removal of `root`. */
  watch(
    root: string,
    { recursive, signal }: FileOptions & { readonly recursive: boolean },
  ): AsyncGenerator<FileChange> {
    const watcher: Watcher = {
      root,
      recursive,
      changes: [],
      offset: 0,
      gone: false,
      change: new Bell(),
    };
    this.#watchers.add(watcher);
    return this.#changes(watcher, signal);
  }

  tell({ path, oldPath, ...change }: TreeChange): void {
    for (const watcher of this.#watchers) {
      const below = posix.relative(watcher.root, path);
      if (below.startsWith("..") || (!watcher.recursive && below.includes("/"))) continue;
      const old = oldPath === undefined ? {} : { oldPath: posix.relative(watcher.root, oldPath) };
      watcher.changes.push({ ...change, offset: watcher.offset++, path: below, ...old });
      watcher.gone ||= below === "" && change.type === "remove";
      watcher.change.ring();
    }
  }

  async *#changes(watcher: Watcher, signal: AbortSignal): AsyncGenerator<FileChange> {
    try {
      for (;;) {
        for (let next = watcher.changes.shift(); next; next = watcher.changes.shift()) yield next;
        if (watcher.gone) return;
        await abortable(signal, watcher.change.next);
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}
