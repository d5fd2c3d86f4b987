import { readFileSync } from "node:fs";
import { defined, problemOf, WrennError } from "@wrenn/core";
import { tryCommand } from "@wrenn/system";
import { createAptStatusReader } from "./apt-status.ts";
import { missingPackages } from "./missing-packages.ts";
import type { Progress } from "./progress.ts";
import { kernelBuildRequirements, requirements, testRequirements } from "./requirements.ts";
import type { Requirement } from "./requirements.ts";

/** What the installer needs of the host. */
export interface InstallHost {
  readonly run: typeof tryCommand;
  /** Effective user id; only 0 may install. */
  readonly uid: number;
  /** `ID` of /etc/os-release. */
  readonly distribution: string;
}

export interface InstallOptions {
  readonly progress: Progress;
  /** Also what only the tests need. */
  readonly forTests?: boolean;
  /** Also what only their long form needs. */
  readonly forLongTests?: boolean;
  readonly signal?: AbortSignal;
  /** The host to work on; without it this one. */
  readonly host?: InstallHost;
}

const STEP = "installing Debian packages";
/** Seconds to wait for another apt or dpkg to finish. */
const LOCK_TIMEOUT_S = 300;

/**
 * Installs the Debian packages that are missing; quick when none is.
 *
 * @throws WrennError `packages_not_installable` with the command to run by hand: on another distribution, without root, or
 * when apt fails even with fresh package lists.
 */
export async function installMissing(options: InstallOptions): Promise<void> {
  const host = options.host ?? thisHost();
  const all = [
    ...requirements,
    ...(options.forTests === true ? testRequirements : []),
    ...(options.forLongTests === true ? kernelBuildRequirements : []),
  ];
  const wanted = all.filter(({ only }) => only === undefined || only === host.distribution);
  const missing = await findMissing(wanted, host, options.signal);
  if (missing.length === 0) return;
  if (host.uid !== 0) throw notInstallable(missing, "only root may install packages");
  options.progress({ step: STEP, fraction: 0, detail: describe(missing) });
  // Lists that are absent or outdated make the first attempt fail at once; only then is fetching them worth its time.
  if ((await install(missing, host, options)) === undefined) return;
  options.progress({ step: "fetching the package lists of apt" });
  const update = await apt(["update"], host, options, () => {});
  if (update !== undefined) throw notInstallable(missing, update);
  options.progress({ step: STEP, fraction: 0, detail: describe(missing) });
  const problem = await install(missing, host, options);
  if (problem !== undefined) throw notInstallable(missing, problem);
  const still = await findMissing(missing, host, options.signal);
  if (still.length > 0) throw notInstallable(still, "apt ended well but did not install them");
}

/**
 * Makes sure that the kernel of the KVM tests can be built here; installs nothing.
 *
 * @throws WrennError `packages_not_installable` with the command that installs what is missing.
 */
export async function requireKernelBuildTools(signal: AbortSignal, host = thisHost()): Promise<void> {
  const missing = await findMissing(kernelBuildRequirements, host, signal);
  if (missing.length > 0) throw notInstallable(missing, "building a kernel needs them");
}

function thisHost(): InstallHost {
  return { run: tryCommand, uid: process.geteuid?.() ?? -1, distribution: distribution() };
}

/** The `ID` of /etc/os-release; "" where there is none. */
function distribution(): string {
  try {
    return /^ID="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

async function findMissing(
  wanted: readonly Requirement[],
  host: InstallHost,
  signal: AbortSignal | undefined,
): Promise<readonly Requirement[]> {
  try {
    return await missingPackages(wanted, host.run, signal);
  } catch (error) {
    if (!WrennError.is(error, "dependency_missing")) throw error;
    throw notInstallable(wanted, "this is neither Debian nor Ubuntu (there is no dpkg-query)", error);
  }
}

function install(
  missing: readonly Requirement[],
  host: InstallHost,
  options: InstallOptions,
): Promise<string | undefined> {
  const names = missing.map(({ name }) => name);
  const args = ["install", "--yes", "--no-install-recommends", "-o", "APT::Status-Fd=1", ...names];
  const read = createAptStatusReader(({ fraction, detail }) => {
    options.progress({ step: STEP, fraction, detail });
  });
  return apt(args, host, options, read);
}

/** Runs apt-get and returns what went wrong, if anything. */
async function apt(
  args: readonly string[],
  host: InstallHost,
  options: InstallOptions,
  onOutput: (piece: string) => void,
): Promise<string | undefined> {
  const environment: Record<string, string> = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) environment[name] ??= value;
  }
  try {
    const result = await host.run(["apt-get", "-q", "-o", `DPkg::Lock::Timeout=${LOCK_TIMEOUT_S}`, ...args], {
      env: environment,
      onOutput,
      ...defined({ signal: options.signal }),
    });
    return result.code === 0 ? undefined : firstError(result.stderr, result.code);
  } catch (error) {
    options.signal?.throwIfAborted();
    return problemOf(error);
  }
}

function firstError(stderr: string, code: number): string {
  const line = stderr.split("\n").find((text) => text.startsWith("E: "));
  return line?.slice(3) ?? `apt-get ended with exit code ${code}`;
}

function describe(missing: readonly Requirement[]): string {
  return missing.map(({ name, reason }) => `${name} (${reason})`).join(", ");
}

function notInstallable(missing: readonly Requirement[], problem: string, cause?: unknown): WrennError {
  const packages = missing.map(({ name }) => name).join(" ");
  const command = `apt-get update && apt-get install --no-install-recommends ${packages}`;
  return new WrennError("packages_not_installable", { packages, problem, command }, { cause });
}
