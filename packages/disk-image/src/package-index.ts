import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, runCommand, tryCommand } from "@wrenn/system";
import { realKernelPackage, KERNEL_META_PACKAGE } from "./debian-kernel.ts";
import { hostSources } from "./debian-sources.ts";
import { simulatedChanges } from "./package-changes.ts";
import type { PackageChange } from "./package-changes.ts";

/** What signs Debian's releases, for hosts whose apt does not trust that without being told; mmdebstrap does the same. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRUSTED_KEYRINGS = "/etc/apt/trusted.gpg.d";

/** Where mmdebstrap gets packages on a host without sources of the release. */
function publicSources(suite: string): readonly string[] {
  return [
    `deb http://deb.debian.org/debian ${suite} main`,
    `deb http://deb.debian.org/debian ${suite}-updates main`,
    `deb http://security.debian.org/debian-security ${suite}-security main`,
  ];
}

export interface PackageIndexOptions {
  /** Keeps the lists between calls, so that only those that changed are downloaded again. */
  readonly directory: string;
  /** Debian release. */
  readonly suite: string;
  /** Lines of a sources.list; default: those that images of the release are built from. */
  readonly sources?: readonly string[];
}

/** Debian's current lists of packages, apart from those of the host, which stay as they are. */
export class PackageIndex {
  /** Options with which apt's programs use these lists. */
  readonly aptOptions: readonly string[];
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    const settings = {
      "Dir::State::lists": join(directory, "lists"),
      "Dir::State::status": join(directory, "status"),
      "Dir::Cache": directory,
      "Dir::Cache::archives": join(directory, "archives"),
      "Dir::Etc::sourcelist": join(directory, "sources.list"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "APT::Default-Release": "",
      // An index that cannot be fetched is an error, not a warning.
      "APT::Update::Error-Mode": "any",
      "APT::Install-Recommends": "false",
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      "Acquire::Retries": "2",
    };
    this.aptOptions = Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`);
  }

  /**
   * Fetches the lists.
   *
   * @throws WrennError `package_index_unavailable` when a source does not answer or is not signed as it should be.
   */
  static async fetch(
    { directory, suite, sources }: PackageIndexOptions,
    signal: AbortSignal,
  ): Promise<PackageIndex> {
    const index = new PackageIndex(directory);
    await mkdir(join(directory, "lists/partial"), { recursive: true });
    await mkdir(join(directory, "archives/partial"), { recursive: true });
    const ofHost = sources ?? (await hostSources(suite, signal));
    const lines = ofHost.length > 0 ? ofHost : publicSources(suite);
    const namesKeyring = await isKeyringNeeded();
    await writeFile(
      join(directory, "sources.list"),
      lines.map((line) => `${withOptions(line, namesKeyring)}\n`).join(""),
    );
    // The status of no image yet: apt refuses to start without the file.
    await writeFile(join(directory, "status"), "");
    const { code, stderr } = await tryCommand(["apt-get", ...index.aptOptions, "update"], { signal });
    if (code !== 0)
      throw new WrennError("package_index_unavailable", {
        problem: problemLine(stderr) ?? `exit code ${code}`,
      });
    return index;
  }

  /**
   * What an image with these installed packages would gain from today's packages.
   *
   * @param status - its dpkg status file.
   * @throws WrennError `command_failed`.
   */
  async upgrades(status: string, signal: AbortSignal): Promise<readonly PackageChange[]> {
    await writeFile(join(this.#directory, "status"), `${status.trimEnd()}\n`);
    let output = "";
    await runCommand(["apt-get", ...this.aptOptions, "--simulate", "--quiet", "dist-upgrade"], {
      signal,
      env: { ...process.env, LC_ALL: "C" },
      onStdout: (text) => {
        output += text;
      },
    });
    return simulatedChanges(output);
  }

  /**
   * Version of the kernel package that guests would get today, such as 6.1.192-3.
   *
   * @throws WrennError `dependency_missing` when the sources have none.
   */
  async kernelVersion(signal: AbortSignal): Promise<string> {
    const depends = await tryCommand(["apt-cache", ...this.aptOptions, "depends", KERNEL_META_PACKAGE], {
      signal,
    });
    const name = realKernelPackage(depends.stdout) ?? KERNEL_META_PACKAGE;
    const shown = await tryCommand(["apt-cache", ...this.aptOptions, "show", "--no-all-versions", name], {
      signal,
    });
    const version = /^Version: (\S+)$/m.exec(shown.stdout)?.[1];
    if (version === undefined)
      throw new WrennError("dependency_missing", { what: `the Debian package ${KERNEL_META_PACKAGE}` });
    return version;
  }
}

async function isKeyringNeeded(): Promise<boolean> {
  const trusted = await readdir(TRUSTED_KEYRINGS).catch(() => []);
  return !trusted.some((name) => name.startsWith("debian-archive")) && (await exists(KEYRING));
}

/** Only the lists of packages are fetched; a line with options of its own has what it needs. */
function withOptions(line: string, namesKeyring: boolean): string {
  if (line.startsWith("deb [")) return line;
  const options = [...(namesKeyring ? [`signed-by=${KEYRING}`] : []), "target=Packages"];
  return line.replace(/^deb /, `deb [${options.join(" ")}] `);
}

/** The line that says what is wrong; the last one is a summary. */
function problemLine(stderr: string): string | undefined {
  return stderr
    .split("\n")
    .find((line) => line.startsWith("E: "))
    ?.slice("E: ".length);
}
