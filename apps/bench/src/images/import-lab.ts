import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemRandom } from "@wrenn/core";
import { readConfig } from "@wrenn/server";
import { startOwnServer } from "../own-server.ts";
import type { OwnServer } from "../own-server.ts";
import type { BenchContext } from "../row.ts";

const POLL_MS = 50;
const MEMORY_POLL_MS = 20;
const KIB = 1024;

interface ImportingBuild {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
  readonly durations: { readonly import_ms?: number };
}

/** What an import took. */
export interface MeasuredImport {
  /** From the question to the registry until the disk is ready. */
  readonly ms: number;
  /** How far the resident memory of the server grew meanwhile. */
  readonly grownMib: number;
}

/** A server of its own, and a local registry in another process with images of 200 MB. */
export class ImportLab implements AsyncDisposable {
  readonly #registry: string;
  readonly #own: OwnServer;
  readonly #stack: AsyncDisposableStack;

  private constructor(registry: string, own: OwnServer, stack: AsyncDisposableStack) {
    this.#registry = registry;
    this.#own = own;
    this.#stack = stack;
  }

  static async start({ signal, apiOf }: BenchContext): Promise<ImportLab> {
    await using stack = new AsyncDisposableStack();
    const script = new URL("registry-process.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    stack.defer(async () => {
      child.kill("SIGTERM");
      await ended;
    });
    const [port] = (await Promise.race([
      once(child.stdout, "data", { signal }),
      ended.then(() => Promise.reject(new Error("the registry has ended"))),
    ])) as [Buffer];
    const registry = `127.0.0.1:${Number(String(port))}`;
    const registries = { mirrors: {}, plainHttp: [registry], privateHosts: [] };
    const own = await startOwnServer({ registries }, signal, apiOf);
    stack.defer(own.close);
    return new ImportLab(registry, own, stack.move());
  }

  /** Imports an image that no host has, and removes its disk again. */
  async import(): Promise<MeasuredImport> {
    const { api, signal } = this.#own;
    const name = `bench-${systemRandom.uuid().slice(0, 8)}`;
    const growth = watchGrowth();
    const { id } = await api<ImportingBuild>("POST", "/v1/builds", {
      name,
      recipe_text: `FROM ${this.#registry}/bench/image:${name}\n`,
    });
    try {
      for (;;) {
        const { durations, status, error } = await api<ImportingBuild>("GET", `/v1/builds/${id}`);
        const { import_ms: ms } = durations;
        if (ms !== undefined) return { ms, grownMib: growth() };
        if (status !== "pending" && status !== "running")
          throw new Error(`the build is ${status}: ${error ?? ""}`);
        await setTimeout(POLL_MS, undefined, { signal });
      }
    } finally {
      growth();
      // What follows the import is no part of it. It may have ended by itself: there is nothing in the image that runs.
      await api("POST", `/v1/builds/${id}/cancel`).catch(() => undefined);
      await removeDisk(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Removes the disk of an image from the cache, which other servers share. */
async function removeDisk(tag: string): Promise<void> {
  const { cacheDirectory } = readConfig(process.env, "127.0.0.1:0");
  const disks = join(cacheDirectory, "image");
  for (const key of await readdir(disks)) {
    const record = await readFile(join(disks, key, "settings.json"), "utf8").catch(() => "");
    if (record.includes(`"tag":"${tag}"`)) await rm(join(disks, key), { recursive: true });
  }
}

/** Watches the resident memory of this process, which is the server's, until asked how far it grew, in MiB. */
function watchGrowth(): () => number {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, MEMORY_POLL_MS);
  return () => {
    clearInterval(timer);
    return (peak - before) / KIB / KIB;
  };
}
