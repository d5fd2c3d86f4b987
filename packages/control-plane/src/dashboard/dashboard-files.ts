import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";

const compress = promisify(gzip);

/** A file of the built dashboard, read once and shared by all answers. */
export interface DashboardFile {
  readonly bytes: Buffer;
  /** The same compressed, where that is smaller. */
  readonly gzipped: Buffer | undefined;
  readonly type: string;
  /** Strong entity tag, of the content. */
  readonly tag: string;
}

/** Of what the build makes; nothing else is served. */
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/**
 * The built dashboard. It is read at the first visit, and as a whole: a page and the scripts that it names are always of the same
 * build.
 */
export class DashboardFiles {
  readonly #directory: string | undefined;
  readonly #logger: Logger;
  #reading: Promise<ReadonlyMap<string, DashboardFile> | undefined> | undefined;

  /** @param directory - what the build made; undefined where none is served. */
  constructor(directory: string | undefined, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** @param path - below the directory, with `/`. @returns nothing where the build has no such file, or was never made. */
  async get(path: string): Promise<DashboardFile | undefined> {
    this.#reading ??= this.#read();
    const files = await this.#reading;
    // It may be built later.
    if (!files) this.#reading = undefined;
    return files?.get(path);
  }

  async #read(): Promise<ReadonlyMap<string, DashboardFile> | undefined> {
    const directory = this.#directory;
    if (directory === undefined) return undefined;
    try {
      const entries = await readdir(directory, { withFileTypes: true, recursive: true });
      const files = await Promise.all(
        entries
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map(async (path) => [relative(directory, path), await load(path)] as const),
      );
      return new Map(files.flatMap(([path, file]) => (file ? [[path, file] as const] : [])));
    } catch (error) {
      this.#logger.debug("dashboard.missing", { directory, problem: problemOf(error) });
      return undefined;
    }
  }
}

async function load(path: string): Promise<DashboardFile | undefined> {
  const type = TYPES[extname(path)];
  if (type === undefined) return undefined;
  const bytes = await readFile(path);
  const gzipped = await compress(bytes);
  return {
    bytes,
    gzipped: gzipped.length < bytes.length ? gzipped : undefined,
    type,
    tag: `"${createHash("sha256").update(bytes).digest("base64url")}"`,
  };
}
