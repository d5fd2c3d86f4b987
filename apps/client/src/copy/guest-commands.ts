import type { Capsule } from "@wrenn/sdk";
import type { EntryKind } from "./copy-entry.ts";
import { bytesOf, nameOf } from "./file-name-bytes.ts";

/** Names that tools escape, or do not, depending on their version. */
const ODD = /[\n\r\\]/;
const DIGEST_LINE = /^([0-9a-f]{64}) [ *](.+)$/;
const DIGEST = /^[0-9a-f]{64}/;
const MAX_OUTPUT_BYTES = 64 << 20;
/** Replaces what is not a directory by a link, in one step for readers of other names. */
const MAKE_LINK =
  'if [ -d "$1" ] && [ ! -L "$1" ]; then echo 0; elif ln -sfn -- "$0" "$1"; then echo 1; else echo 0; fi';

/**
 * Mode, size and path without links of each path, ended by a zero byte; nothing but that byte for what does not exist. A substitution
 * would drop newlines at the end of a path: a letter behind it keeps them.
 */
const SHOW_TARGETS =
  'for path; do if real=$(readlink -f -- "$path" && echo x) && facts=$(stat -L -c "%f %s" -- "$path"); then ' +
  'real=${real%x}; printf "%s %s" "$facts" "${real%?}"; fi; printf "\\0"; done 2>/dev/null';
/** Of each path that exists, mode, size and the path itself. GNU tools do all of them in one process; others do not know the option. */
const SHOW_FACTS =
  'stat --printf "" / 2>/dev/null || exit 3; exec xargs -0 stat -L --printf "%f %s %n\\0" -- 2>/dev/null';
/** Paths without links of paths that exist. */
const SHOW_PATHS = "exec xargs -0 realpath -z -- 2>/dev/null";
/** Exit code where the tools are not those of GNU. */
const OTHER_TOOLS = 3;
/** The part of a mode that says what kind of thing it is. */
const KIND_BITS = 0o170000;
const KINDS: Readonly<Record<number, EntryKind>> = { 0o100000: "file", 0o040000: "directory" };

/** What a link points to in the end. */
export interface FollowedPath {
  /** Absolute, without links. */
  readonly path: string;
  readonly kind: EntryKind;
  /** Bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What the file routes do not offer, by commands in the capsule. */
export class GuestCommands {
  readonly #capsule: Pick<Capsule, "commands">;
  readonly #user: string;
  readonly #signal: AbortSignal;

  constructor(capsule: Pick<Capsule, "commands">, user: string | undefined, signal: AbortSignal) {
    this.#capsule = capsule;
    this.#user = user ?? "root";
    this.#signal = signal;
  }

  /** SHA-256 of files, by absolute path. What cannot be read is left out. */
  async digests(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const plain = paths.filter((path) => !ODD.test(path));
    const odd = paths.filter((path) => ODD.test(path));
    if (plain.length > 0) {
      // Lines have the bytes of names: they are compared as such.
      const byBytes = new Map(plain.map((path) => [bytesOf(path).toString("latin1"), path]));
      for (const line of await this.#run("xargs -0 sha256sum --", plain)) {
        const [, digest = "", bytes = ""] = DIGEST_LINE.exec(line) ?? [];
        const path = byBytes.get(bytes);
        if (path !== undefined) found.set(path, digest);
      }
    }
    if (odd.length > 0) {
      const lines = await this.#run("xargs -0 -n 1 sh -c 'sha256sum < \"$0\" || echo -'", odd);
      for (const [at, path] of odd.entries()) {
        const digest = DIGEST.exec(lines[at] ?? "")?.[0];
        if (digest !== undefined) found.set(path, digest);
      }
    }
    return found;
  }

  /** Makes links; gives for each whether it was made. */
  async makeLinks(
    links: readonly { readonly path: string; readonly target: string }[],
  ): Promise<readonly boolean[]> {
    const words = links.flatMap(({ path, target }) => [target, path]);
    const lines = await this.#run(`xargs -0 -n 2 sh -c '${MAKE_LINK}'`, words);
    return links.map((_, at) => lines[at] === "1");
  }

  /** Where paths lead when all links are followed, and what is there; undefined where that does not exist. */
  async targets(paths: readonly string[]): Promise<readonly (FollowedPath | undefined)[]> {
    if (paths.length === 0) return [];
    const facts = await this.#output(SHOW_FACTS, paths);
    if (facts.exitCode !== OTHER_TOOLS) {
      const described = new Map(recordsOf(facts.text).map((record) => [nameIn(record), record]));
      const existing = paths.filter((path) => described.has(path));
      const real = existing.length === 0 ? [] : recordsOf((await this.#output(SHOW_PATHS, existing)).text);
      // Fewer where something was removed in the meantime: which one it was is not known.
      if (real.length === existing.length) {
        const places = new Map(existing.map((path, at) => [path, real[at] ?? ""]));
        return paths.map((path) => targetOf(described.get(path), places.get(path)));
      }
    }
    const { text } = await this.#output(`xargs -0 sh -c '${SHOW_TARGETS}' sh`, paths);
    const records = recordsOf(text);
    return paths.map((_, at) => targetOf(records[at]));
  }

  /** Lines of standard output, one character for each byte. */
  async #run(line: string, words: readonly string[]): Promise<readonly string[]> {
    return (await this.#output(line, words)).text.trimEnd().split("\n");
  }

  /** Standard output, one character for each byte. */
  async #output(
    line: string,
    words: readonly string[],
  ): Promise<{ readonly text: string; readonly exitCode: number }> {
    const stdin = Buffer.concat(words.flatMap((word) => [bytesOf(word), Buffer.of(0)]));
    const { stdoutBytes, exitCode } = await this.#capsule.commands.run(line, {
      stdin,
      user: this.#user,
      encoding: "bytes",
      maxOutputBytes: MAX_OUTPUT_BYTES,
      signal: this.#signal,
    });
    return { text: Buffer.from(stdoutBytes).toString("latin1"), exitCode };
  }
}

/** What ends with a zero byte each. */
function recordsOf(text: string): readonly string[] {
  return text.split("\0").slice(0, -1);
}

/** The path of a record. */
function nameIn(record: string): string {
  return textOf(/^\S+ \S+ (.*)$/s.exec(record)?.[1] ?? "");
}

/** @param real - the path without links, unless the record has it. */
function targetOf(record = "", real?: string): FollowedPath | undefined {
  const [, bits, size, path] = /^([0-9a-f]+) (\d+) (.+)$/s.exec(record) ?? [];
  if (bits === undefined || path === undefined) return undefined;
  const mode = Number.parseInt(bits, 16);
  return {
    path: textOf(real ?? path),
    kind: KINDS[mode & KIND_BITS] ?? "special",
    size: Number(size),
    mode: mode & 0o777,
  };
}

function textOf(latin1: string): string {
  return nameOf(Buffer.from(latin1, "latin1"));
}
