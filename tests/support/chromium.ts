import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { eventually } from "@wrenn/core/testing";
import { DevtoolsPipe } from "./devtools-pipe.ts";

const PROGRAM = "/usr/bin/chromium-headless-shell";
/** Why tests cannot use a browser, or false: the launcher installs it where the distribution has it. */
export const noChromium = existsSync(PROGRAM)
  ? false
  : "this distribution has no package chromium-headless-shell";

const ARGUMENTS = [
  "--remote-debugging-pipe",
  // The tests run as root, under which its sandbox does not start; it sees pages of the test's own capsules only.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-proxy-server",
];

/** A headless Chromium with a profile of its own. */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #pipe: DevtoolsPipe;
  readonly #profile: string;

  private constructor(child: ChildProcess, pipe: DevtoolsPipe, profile: string) {
    this.#child = child;
    this.#pipe = pipe;
    this.#profile = profile;
  }

  /** @param more - arguments of this browser, besides those of all. */
  static async start(more: readonly string[] = []): Promise<Chromium> {
    const profile = await mkdtemp("/tmp/wrenn-chromium-");
    // Chromium reads commands from descriptor 3 and writes answers to 4.
    const child = spawn(PROGRAM, [...ARGUMENTS, ...more, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    await once(child, "spawn");
    const pipe = new DevtoolsPipe(child.stdio[3] as Writable, child.stdio[4] as Readable);
    return new Chromium(child, pipe, profile);
  }

  /** Opens a page; it may still be loading. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.#pipe.send<{ targetId: string }>("Target.createTarget", { url });
    const attached = await this.#pipe.send<{ sessionId: string }>("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    return new Page(this.#pipe, attached.sessionId);
  }

  /** Ends it and removes its profile. */
  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const gone = once(this.#child, "exit");
      await this.#pipe.send("Browser.close").catch(() => this.#child.kill("SIGKILL"));
      await gone;
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One page of a browser. */
export class Page {
  readonly #pipe: DevtoolsPipe;
  readonly #session: string;

  constructor(pipe: DevtoolsPipe, session: string) {
    this.#pipe = pipe;
    this.#session = session;
  }

  /**
   * The value of a JavaScript expression in the page, awaited.
   *
   * @throws Error with the page's own exception.
   */
  async evaluate<T = unknown>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#pipe.send<Evaluation<T>>(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true },
      this.#session,
    );
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression has a value that is asked for; says what it was the last time otherwise. */
  async until(expression: string, wanted: string | number | boolean, seconds = 30): Promise<void> {
    let value: unknown;
    await eventually(
      `${expression} is ${JSON.stringify(wanted)}`,
      async () => (value = await this.evaluate(expression).catch(String)) === wanted,
      { timeoutMs: seconds * 1000, intervalMs: 50, details: () => value },
    );
  }
}

interface Evaluation<T> {
  readonly result: { readonly value: T };
  readonly exceptionDetails?: {
    readonly text: string;
    readonly exception?: { readonly description?: string };
  };
}
