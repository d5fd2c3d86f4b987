import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { seedCluster } from "@wrenn/database/testing";
import { dataPaths } from "@wrenn/server";
import { ApiCaller } from "./api-caller.ts";
import { heldMib } from "./held-memory.ts";
import { TestProcess } from "./test-process.ts";

/** A server in a process of its own that tests may kill and start again on the same data. */
export class ServerProcess {
  readonly dataDirectory: string;
  readonly #process: TestProcess;
  #caller: ApiCaller | undefined;

  private constructor(dataDirectory: string) {
    this.dataDirectory = dataDirectory;
    const script = join(import.meta.dirname, "crashing-server.ts");
    // As the launcher starts it.
    const options = ["--max-semi-space-size=4", "--expose-gc"];
    this.#process = new TestProcess([process.execPath, ...options, script, dataDirectory]);
  }

  /** @param dataDirectory - an empty directory; default: a new one. */
  static async start(dataDirectory?: string): Promise<ServerProcess> {
    const server = new ServerProcess(dataDirectory ?? (await mkdtemp("/tmp/wrenn-chaos-")));
    await seedCluster(dataPaths(server.dataDirectory).database);
    await server.start();
    return server;
  }

  /** The API of the running server. */
  get api(): ApiCaller {
    if (!this.#caller) throw new Error("the server does not run");
    return this.#caller;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it holds once garbage is collected, in MiB. */
  async heldMib(): Promise<number> {
    return await heldMib(this.#process, this.dataDirectory);
  }

  async start(): Promise<void> {
    const { url, apiKey } = (await this.#process.start()) as { url: string; apiKey: string };
    this.#caller = new ApiCaller(url, apiKey);
  }

  /** Names the step before which the server kills itself; "" for none. */
  async crashAt(step: string): Promise<void> {
    await writeFile(join(this.dataDirectory, "crash-at"), step);
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    await this.#process.gone();
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** Ends every capsule. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Ends every capsule and removes the data. */
  async close(): Promise<void> {
    await this.stop();
    await rm(this.dataDirectory, { recursive: true, force: true });
  }
}
