import { join } from "node:path";
import { runCommand } from "@wrenn/system";
import { installTools } from "./install-tools.ts";
import { projectRoot } from "./sources.ts";

const FOLDER = join(projectRoot, "tests/runtimes");
const MODULES = join(FOLDER, "node_modules");
const ARCH = process.arch === "arm64" ? "arm64" : "x64";

/** Executables of the runtimes and bundlers of tests/runtimes, by absolute path. */
export interface Runtimes {
  /** The oldest Node.js that the SDK supports. */
  readonly node20: string;
  /** The newest Node.js of the registry when its version was pinned. */
  readonly nodeNewest: string;
  readonly bun: string;
  readonly deno: string;
  readonly workerd: string;
  /** A script for this Node. */
  readonly attw: string;
  /** A script for this Node. */
  readonly publint: string;
}

/** Bundlers of tests/runtimes, as its bundle.mjs names them. */
export type Bundler = "esbuild" | "webpack" | "vite";

/** How a module is bundled. */
export interface BundleOptions {
  /** JavaScript; esbuild takes TypeScript as well. */
  readonly entry: string;
  /** Folder for `main.mjs` and the chunks that it loads later. */
  readonly outdir: string;
  /** Whether esbuild makes such chunks, too: the others do without being asked. Default: false. */
  readonly isSplit?: boolean;
  /** Conditions of `exports` that apply. Default: those of Workers. */
  readonly conditions?: readonly string[];
  /** Modules that stay imports. */
  readonly external?: readonly string[];
  readonly minify?: boolean;
}

let installed: Promise<Runtimes> | undefined;

/**
 * Runtimes and bundlers for tests of the SDK, about 850 MB. They are installed at the first use, as tests/runtimes/package-lock.json
 * says, and again when that file changes. Processes that ask at once install once.
 *
 * @throws WrennError `dependency_missing` without npm, `command_failed` when npm fails.
 */
export async function installRuntimes(): Promise<Runtimes> {
  installed ??= install();
  return await installed;
}

async function install(): Promise<Runtimes> {
  await installTools(FOLDER);
  return paths;
}

const module = (path: string): string => join(MODULES, path);

const paths: Runtimes = {
  node20: module(`node-20-linux-${ARCH}/bin/node`),
  nodeNewest: module(`node-newest-linux-${ARCH}/bin/node`),
  bun: module(`@oven/bun-linux-${ARCH === "x64" ? "x64" : "aarch64"}/bin/bun`),
  deno: module(`@deno/linux-${ARCH}-glibc/deno`),
  workerd: module(`@cloudflare/workerd-linux-${ARCH === "x64" ? "64" : "arm64"}/bin/workerd`),
  attw: module("@arethetypeswrong/cli/dist/index.js"),
  publint: module("publint/src/cli.js"),
};

/** Makes one ES module of another one and what it imports, with chunks for what is imported later. @returns path of the module. */
export async function bundle(bundler: Bundler, options: BundleOptions): Promise<string> {
  await installRuntimes();
  const complete = {
    conditions: ["workerd", "worker", "browser"],
    external: [],
    minify: true,
    isSplit: false,
    ...options,
  };
  await runCommand([process.execPath, join(FOLDER, "bundle.mjs"), bundler, JSON.stringify(complete)]);
  return join(options.outdir, "main.mjs");
}
