import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { problemOf } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { AnswerReader, encodeRenewal, encodeRequest } from "./zygote-frames.ts";

/** Bytes of its last words that are kept. */
const WORDS_BYTES = 2000;
const READY = 0;
/** Room, in bytes, in which machines show their own command lines and environments. */
const COMMAND_LINE_BYTES = 6144;
const ENVIRONMENT_BYTES = 1024;

export interface ZygoteProgram {
  /** The program whose `main` is left to forked processes. */
  readonly program: string;
  /** The library of native/zygote. */
  readonly library: string;
  /** Further libraries that the program's processes have loaded. */
  readonly preloaded: readonly string[];
}

interface Waiting {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One zygote. Its end of a nameless socket pair is the only way to it; when this process ends, that end closes and the zygote ends
 * too.
 */
export class ZygoteProcess {
  /** Resolves with the reason when the process is gone and everything it sent has been read. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #reader = new AnswerReader();
  #nextId = READY + 1;
  #problem: string | undefined;

  constructor({ program, library, preloaded }: ZygoteProgram, clock: Clock) {
    this.#clock = clock;
    // Without the library the program prints its version and ends, which no one takes for a zygote.
    const child = spawn(program, ["--version", " ".repeat(COMMAND_LINE_BYTES)], {
      argv0: "wrenn-zygote",
      env: {
        LD_PRELOAD: [library, ...preloaded].join(" "),
        WRENN_ZYGOTE: program,
        ROOM: " ".repeat(ENVIRONMENT_BYTES),
      },
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      // Signals to the group of this process are not for machines that are just being started.
      detached: true,
      cwd: "/",
    });
    this.#child = child;
    this.#socket = child.stdio[3] as Socket;
    let words = "";
    const stderr = child.stdio[2] as Socket;
    stderr.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-WORDS_BYTES)));
    child.once("error", (error) => (this.#problem ??= problemOf(error)));
    this.#socket.on("error", (error) => (this.#problem ??= problemOf(error)));
    this.#socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    const end = (how: string): void => {
      const reason = this.#problem ?? (words.trim() || how);
      for (const { reject } of this.#waiting.values()) reject(new Error(reason));
      this.#waiting.clear();
      resolve(reason);
    };
    child.once("close", (code, signal) => end(signal ?? `it ended with exit code ${code}`));
    child.unref();
    stderr.unref();
    this.#socket.unref();
  }

  /** Resolves once requests can be made. @throws Error with the reason when the process ends, or is ended after `ms` milliseconds. */
  async ready(ms: number): Promise<void> {
    await this.#answer(READY, ms);
  }

  /**
   * Requests a machine by the jail's command line. The machine runs only if its answer arrived here or was on its way.
   *
   * @returns the answer, or undefined when the request is too large.
   * @throws Error when the process ends, or is ended after `ms` milliseconds: nothing of the request runs then.
   */
  async request(words: readonly string[], ms: number): Promise<string | undefined> {
    const id = this.#nextId++;
    const bytes = encodeRequest(id, words);
    if (!bytes) return undefined;
    const answer = this.#answer(id, ms);
    this.#socket.write(bytes);
    return await answer;
  }

  /** Lets the process begin again, after the requests that are under way, and resolves once it is ready. @throws as `ready`. */
  async renew(ms: number): Promise<void> {
    const ready = this.#answer(READY, ms);
    this.#socket.write(encodeRenewal());
    await ready;
  }

  /** Lets the process end. */
  close(): void {
    this.#problem ??= "it was closed";
    this.#socket.destroy();
  }

  async #answer(id: number, ms: number): Promise<string> {
    if (this.#problem !== undefined) throw new Error(this.#problem);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.set(id, { resolve, reject });
    this.#socket.ref();
    using answered = new AbortOnDispose();
    void this.#clock.sleep(ms, answered.signal).then(
      () => this.#kill(`it did not answer within ${ms / 1000} s`),
      () => {},
    );
    try {
      return await promise;
    } finally {
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#socket.unref();
    }
  }

  /** Whoever waits is answered when the end has been seen: an answer may be on its way. */
  #kill(problem: string): void {
    this.#problem ??= problem;
    this.#child.kill("SIGKILL");
  }

  #receive(bytes: Buffer): void {
    try {
      for (const { id, text } of this.#reader.read(bytes)) this.#waiting.get(id)?.resolve(text);
    } catch (error) {
      this.#kill(problemOf(error));
    }
  }
}

class AbortOnDispose implements Disposable {
  readonly #abort = new AbortController();

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
  }
}
