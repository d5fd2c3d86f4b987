import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, tryCommand } from "@wrenn/system";
import type { PackageIndex } from "../package-index.ts";

/** A Debian package as a source offers it. */
export interface OfferedPackage {
  readonly uri: string;
  /** Name of the file that apt downloads it to: package, version and architecture. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
}

/** What apt reads and writes while it works out and downloads packages. */
export interface PackageDownloadsOptions {
  readonly index: Pick<PackageIndex, "aptOptions">;
  /** Keeps downloads between calls. */
  readonly directory: string;
  /** dpkg status file of the image that the packages are for. */
  readonly status: string;
}

/**
 * Debian packages that an image lacks. apt works out which, downloads them and checks them against signed lists; nothing is installed,
 * and the host's own packages play no part.
 */
export class PackageDownloads {
  readonly #options: PackageDownloadsOptions;

  constructor(options: PackageDownloadsOptions) {
    this.#options = options;
  }

  /**
   * The packages that installing these would bring, with those that they depend on.
   *
   * @throws WrennError `package_index_unavailable` for one that the sources do not have.
   */
  async missing(names: readonly string[], signal: AbortSignal): Promise<readonly OfferedPackage[]> {
    if (names.length === 0) return [];
    // apt leaves out what it has downloaded already.
    const stdout = await this.#apt("nothing", ["--print-uris"], names, signal);
    return parseUris(stdout);
  }

  /**
   * Downloads packages that {@link missing} has found. An abort leaves those that are complete, for the next call.
   *
   * @param names - what they were found for.
   * @returns their paths, in the order of the packages.
   * @throws WrennError `package_index_unavailable`.
   */
  async download(
    names: readonly string[],
    packages: readonly OfferedPackage[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (packages.length === 0) return [];
    await this.#apt("archives", ["--download-only"], names, signal);
    const paths: string[] = [];
    for (const { file, uri } of packages) {
      const path = join(this.#options.directory, "archives", file);
      // Those of a mirror on this host stay where they are.
      const found = (await exists(path)) ? path : uri.startsWith("file:") ? new URL(uri).pathname : undefined;
      if (found === undefined || !(await exists(found)))
        throw new WrennError("package_index_unavailable", { problem: `${uri} was not downloaded` });
      paths.push(found);
    }
    return paths;
  }

  /** Removes what was downloaded. */
  async clear(): Promise<void> {
    await rm(join(this.#options.directory, "archives"), { recursive: true, force: true });
  }

  async #apt(
    archives: string,
    flags: readonly string[],
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const { index, directory, status } = this.#options;
    const place = join(directory, archives);
    const statusFile = join(directory, "image-status");
    await mkdir(join(place, "partial"), { recursive: true });
    await writeFile(statusFile, `${status.trimEnd()}\n`);
    const options = {
      "Dir::State::status": statusFile,
      "Dir::State::extended_states": "/dev/null",
      "Dir::Cache::archives": place,
      "Debug::NoLocking": "true",
    };
    const { code, stdout, stderr } = await tryCommand(
      [
        "apt-get",
        ...index.aptOptions,
        ...Object.entries(options).map(([name, value]) => `--option=${name}=${value}`),
        "--yes",
        "--quiet=2",
        "--no-install-recommends",
        ...flags,
        "install",
        ...names,
      ],
      { signal, env: { ...environment(), LC_ALL: "C" } },
    );
    if (code !== 0)
      throw new WrennError("package_index_unavailable", {
        problem: problemOf(stderr) ?? `exit code ${code}`,
      });
    return stdout;
  }
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

/** Lines such as `'http://…/jq_1.6-2.1_amd64.deb' jq_1.6-2.1_amd64.deb 64888 MD5Sum:…`; not every source has that digest. */
export function parseUris(output: string): readonly OfferedPackage[] {
  return [...output.matchAll(/^'([^']+)' (\S+\.deb) (\d+)/gm)].map(([, uri = "", file = "", size]) => ({
    uri,
    file,
    size: Number(size),
  }));
}

function problemOf(stderr: string): string | undefined {
  return stderr
    .split("\n")
    .find((line) => line.startsWith("E: "))
    ?.slice("E: ".length);
}
