import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { tryCommand } from "@wrenn/system";
import type { RunRequest, ScenarioOutcome } from "../runtimes/drivers/run-scenarios.ts";
import { TestBrowser } from "./browser.ts";
import type { PackedSdk } from "./packed-sdk.ts";
import { bundle, installRuntimes } from "./runtimes.ts";
import type { Bundler } from "./runtimes.ts";
import { projectRoot } from "./sources.ts";

const RUN_MS = 120_000;
/** A process ends this soon after its last await. */
const EXIT_MS = 1000;

/** One runtime with the packed SDK and the portable suite in it. */
export type PortableRunner = (request: RunRequest) => Promise<readonly ScenarioOutcome[]>;

/**
 * The suite as a file beside the installed SDK, which it imports by name: bundlers and runtimes find the SDK themselves.
 *
 * @param driver - name of a file of tests/runtimes/drivers, without its extension.
 */
async function suiteFile(sdk: PackedSdk, driver: string): Promise<string> {
  return await bundle("esbuild", {
    entry: join(projectRoot, `tests/runtimes/drivers/${driver}.ts`),
    outdir: join(sdk.folder, driver),
    external: ["@wrenn/sdk"],
    minify: false,
  });
}

/**
 * Runs the suite with a program such as Node.js, Bun or Deno, which has to end soon after its last scenario.
 *
 * @param env - all the variables of its environment.
 */
export async function processRunner(
  sdk: PackedSdk,
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<PortableRunner> {
  const file = await suiteFile(sdk, "process");
  return async (request) => {
    let reportedAt = 0;
    const { code, stdout, stderr } = await tryCommand([...argv, file, JSON.stringify(request)], {
      cwd: sdk.folder,
      env: { HOME: sdk.folder, ...env },
      signal: AbortSignal.timeout(RUN_MS),
      onStdout: () => (reportedAt = performance.now()),
    });
    const heldMs = performance.now() - reportedAt;
    if (heldMs > EXIT_MS) throw new Error(`${argv[0]} was held for ${Math.round(heldMs)} ms by what it did`);
    if (code !== 0) throw new Error(`${argv[0]} exited with ${code}: ${stderr}\n${stdout}`);
    return outcomesOf(stdout);
  };
}

/** The suite as a bundler makes it for Workers. @returns the folder with its modules. */
export async function bundleWorker(sdk: PackedSdk, bundler: Bundler): Promise<string> {
  const outdir = join(sdk.folder, `worker-${bundler}`);
  await bundle(bundler, { entry: await suiteFile(sdk, "worker"), outdir });
  return outdir;
}

/** Runs the suite in `workerd`. @param folder - of {@link bundleWorker}. */
export async function workerRunner(
  sdk: PackedSdk,
  folder: string,
  compatibilityFlags: readonly string[],
): Promise<PortableRunner> {
  const config = join(folder, `${["worker", ...compatibilityFlags].join("-")}.capnp`);
  const chunks = (await readdir(folder)).filter((name) => name.endsWith(".mjs") && name !== "main.mjs");
  // The first module is the one that serves.
  await writeFile(config, workerConfig(["main.mjs", ...chunks], compatibilityFlags));
  const { workerd } = await installRuntimes();
  return async (request) => {
    const child = spawn(workerd, ["serve", "--experimental", "--control-fd=3", config], {
      cwd: sdk.folder,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    try {
      const port = await listeningPort(child.stdio[3] as Readable);
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        method: "POST",
        body: JSON.stringify(request),
        signal: AbortSignal.timeout(RUN_MS),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(text);
      return outcomesOf(text);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  };
}

/** The server of the tests is on this machine, which Workers may not reach by default. */
function workerConfig(modules: readonly string[], compatibilityFlags: readonly string[]): string {
  const listed = modules.map((name) => `(name = "${name}", esModule = embed "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "suite", worker = (
      modules = [${listed.join(", ")}],
      compatibilityDate = "2026-11-01",
      compatibilityFlags = ${JSON.stringify(compatibilityFlags)},
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "suite")],
);
`;
}

/** The port in the message that `workerd` writes when it listens. */
async function listeningPort(control: Readable): Promise<number> {
  for await (const line of createInterface({ input: control })) {
    const { event, port } = JSON.parse(line) as { event: string; port?: number };
    if (event === "listen" && port !== undefined) return port;
  }
  throw new Error("workerd ended before it listened");
}

/** Serves the suite as a page of an origin of its own. */
export class BrowserSuite implements AsyncDisposable {
  /** Of the page, which the server has to allow. */
  readonly origin: string;
  readonly #close: () => void;

  private constructor(origin: string, close: () => void) {
    this.origin = origin;
    this.#close = close;
  }

  static async start(sdk: PackedSdk): Promise<BrowserSuite> {
    const entry = await suiteFile(sdk, "browser");
    const outdir = join(sdk.folder, "page");
    await bundle("esbuild", { entry, outdir, conditions: ["browser"], isSplit: true });
    const scripts = new Map<string, Buffer>();
    for (const name of await readdir(outdir)) scripts.set(`/${name}`, await readFile(join(outdir, name)));
    const server = createServer((request, response) => {
      const script = scripts.get(request.url ?? "");
      if (script) response.setHeader("content-type", "text/javascript").end(script);
      else
        response
          .setHeader("content-type", "text/html")
          .end('<!doctype html><script type="module" src="/main.mjs"></script>');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return new BrowserSuite(`http://127.0.0.1:${port}`, () => {
      server.close();
      server.closeAllConnections();
    });
  }

  readonly run: PortableRunner = async (request) => {
    await using browser = await TestBrowser.start();
    const page = await browser.visit(`${this.origin}/`);
    await page.until("typeof runPortable", "function");
    return outcomesOf(await page.evaluate<string>(`runPortable(${JSON.stringify(request)})`));
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }
}

function outcomesOf(text: string): readonly ScenarioOutcome[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ScenarioOutcome);
}
