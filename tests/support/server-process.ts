import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ApiCaller } from "./api-caller.ts";

/** A server in a process of its own that tests may kill and start again on the same data. */
export class ServerProcess {
  readonly dataDirectory: string;
  #child: ChildProcess | undefined;
  #caller: ApiCaller | undefined;

  private constructor(dataDirectory: string) {
    this.dataDirectory = dataDirectory;
  }

  static async start(): Promise<ServerProcess> {
    const server = new ServerProcess(await mkdtemp("/tmp/wrenn-chaos-"));
    await server.start();
    return server;
  }

  /** The API of the running server. */
  get api(): ApiCaller {
    if (!this.#caller) throw new Error("the server does not run");
    return this.#caller;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      // As the launcher starts it.
      ["--max-semi-space-size=4", join(import.meta.dirname, "crashing-server.ts"), this.dataDirectory],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    this.#child = child;
    const lines: string[] = [];
    const ready = Promise.withResolvers<string>();
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      lines.push(text);
      const whole = lines.join("");
      if (whole.includes("\n")) ready.resolve(whole);
    });
    child.once("exit", (code, signal) => ready.reject(new Error(`the server ended: ${signal ?? code}`)));
    const { url, apiKey } = JSON.parse(await ready.promise) as { url: string; apiKey: string };
    this.#caller = new ApiCaller(url, apiKey);
  }

  /** Names the step before which the server kills itself; "" for none. */
  async crashAt(step: string): Promise<void> {
    await writeFile(join(this.dataDirectory, "crash-at"), step);
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.gone();
  }

  /** Ends every capsule and removes the data. */
  async close(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.gone();
    await rm(this.dataDirectory, { recursive: true, force: true });
  }
}
