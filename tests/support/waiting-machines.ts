import assert from "node:assert/strict";
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import { exists } from "@wrenn/system";
import type { ServerProcess } from "./server-process.ts";

/** A file that says how much of the processor a machine gets beside the others, and what it says. */
export interface ProcessorShare {
  readonly path: string;
  readonly value: string;
}

/** The machines of a server that wait for capsules. */
export class WaitingMachines {
  readonly #server: ServerProcess;

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  get capsulesDirectory(): string {
    return join(this.#server.dataDirectory, "capsules");
  }

  /** Names of machines that wait or are being made. */
  async names(): Promise<readonly string[]> {
    const names = await readdir(this.capsulesDirectory);
    const taken = await Promise.all(names.map((name) => this.directoryOf(name)));
    return names.filter((name) => name.startsWith("p-") && taken.filter((one) => one === name).length === 1);
  }

  /** A value of the server's metrics. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(new URL("/metrics", this.#server.api.url))).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? assert.fail(`${name}: ${text}`));
  }

  /** Waits until one machine waits, and nothing is being made. */
  async one(): Promise<string> {
    return await eventually("one machine waits", async () => {
      const names = await this.names();
      return (await this.metric("wrenn_waiting_machines")) === 1 && names.length === 1 ? names[0] : undefined;
    });
  }

  /** Name of the directory that belongs to a capsule. */
  async directoryOf(id: string): Promise<string> {
    return basename(await realpath(join(this.capsulesDirectory, id)));
  }

  /** A capsule that begins in the machine that waits. */
  async take(request: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const name = await this.one();
    const id = await this.#server.api.capsule(undefined, { memory_mb: 256, ...request });
    assert.equal(await this.directoryOf(id), name, "it began in the machine that waited");
    return id;
  }

  async share(name: string): Promise<ProcessorShare> {
    const unified = `/sys/fs/cgroup/wrenn/${name}/cpu.weight`;
    const path = (await exists(unified)) ? unified : `/sys/fs/cgroup/cpu/wrenn/${name}/cpu.shares`;
    return { path, value: (await readFile(path, "utf8")).trim() };
  }
}
