import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { problemOf, withDeadline, WrennError } from "@wrenn/core";
import { forkConfined } from "@wrenn/system";
import { takeBytes } from "../listener/peek.ts";
import type { ClientConnection } from "../listener/client-connections.ts";
import type { CapsuleRoute } from "../routing/capsule-route.ts";
import { Answers } from "./answers.ts";
import { HandedConnections } from "./handed-connections.ts";
import { errorFromWire, routeToWire, toServerShapes } from "./messages.ts";
import type { ToProcess, ToServer } from "./messages.ts";
import { parseMessages } from "./message-shapes.ts";
import { PlatformAnswers } from "./platform-answers.ts";
import type { PlatformAnswersDeps } from "./platform-answers.ts";
import { Questions } from "./questions.ts";
import type { ProcessSettings } from "./settings.ts";

const PROGRAM = fileURLToPath(new URL("process.ts", import.meta.url));
/** All that the process may read: its program and the packages that it imports. */
const READABLE = [
  "packages/edge/src/",
  "packages/edge/package.json",
  "packages/core/src/",
  "packages/core/package.json",
  "packages/system/src/",
  "packages/system/package.json",
  "node_modules/@wrenn/core",
  "node_modules/@wrenn/system",
];
const START_MS = 15_000;
/** A drain waits 5 s for connections and then closes them. */
const DRAIN_MS = 10_000;
/** A process that takes no connection for this long is ended. */
const STUCK_MS = 10_000;
const CHECK_MS = 1000;
const HEAP_MIB = 512;
const YOUNG_MIB = 4;
/** Sockets go to the process one after the other, each when it has taken the one before. Beyond these the server serves connections itself. */
const MOST_ON_THE_WAY = 16;
/** Connections that fit into the process's memory. */
const MOST_CONNECTIONS = 10_000;
const OUTPUT_CHARACTERS = 2000;

/** A port process from its start to its end. */
export class RunningProcess {
  readonly #child: ChildProcess;
  readonly #deps: PlatformAnswersDeps;
  readonly #questions = new Questions();
  readonly #answers: Answers;
  readonly #platform: PlatformAnswers;
  readonly #connections: HandedConnections;
  readonly #inUse = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  /** Capsules that it may have connections to. */
  readonly #known = new Set<string>();
  /** How it ended. */
  readonly ended: Promise<string>;
  isReady = false;

  constructor(settings: ProcessSettings, deps: PlatformAnswersDeps) {
    this.#deps = deps;
    this.#child = forkConfined({
      program: PROGRAM,
      readable: READABLE,
      heapMib: HEAP_MIB,
      youngMib: YOUNG_MIB,
    });
    this.#answers = new Answers({
      answer: (ref, value) => this.tell({ type: "answer", ref, value }),
      fail: (ref, error) => this.tell({ type: "failed", ref, error }),
    });
    this.#platform = new PlatformAnswers(deps, (message) => this.tell(message));
    this.#connections = new HandedConnections(deps.connections, deps.clock, (message) => this.tell(message));
    const child = this.#child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      deps.logger.warn("edge.port_process_output", { text: text.slice(0, OUTPUT_CHARACTERS) });
    });
    // Whoever sends to it hears of it, too.
    child.on("error", (error) => {
      deps.logger.warn("edge.port_process_failed", { problem: problemOf(error) });
    });
    child.on("message", (received) => this.#receive(received));
    this.ended = once(child, "exit").then(
      ([code, signal]) => this.#end(`exit ${String(code ?? signal)}`),
      (error: unknown) => this.#end(problemOf(error)),
    );
    const checks = setInterval(() => {
      if (this.#connections.waitMs() < STUCK_MS) return;
      deps.logger.warn("edge.port_process_stuck", { problem: "it takes no connections" });
      child.kill("SIGKILL");
    }, CHECK_MS).unref();
    void this.ended.then(() => clearInterval(checks));
    this.tell({ type: "start", settings });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when it takes connections. @throws WrennError `deadline_exceeded`; Error when it has ended. */
  async ready(signal: AbortSignal): Promise<void> {
    await withDeadline("the start of the port process", START_MS, signal, async () => this.#ready.promise);
  }

  get hasRoom(): boolean {
    const { onTheWay, count } = this.#connections;
    return this.isReady && onTheWay < MOST_ON_THE_WAY && count < MOST_CONNECTIONS;
  }

  /** Connections of clients. */
  get connections(): number {
    return this.#connections.count;
  }

  inUse(capsuleId: string): boolean {
    return this.#inUse.has(capsuleId);
  }

  /** Gives it a connection that nothing has read here but its first bytes, which are still in the socket. */
  hand(
    socket: Socket,
    connection: ClientConnection,
    isSecure: boolean,
    { capsule, route }: { readonly capsule: string; readonly route: CapsuleRoute },
  ): void {
    this.#known.add(capsule);
    const number = this.#connections.add(socket, connection);
    const message = {
      type: "connection",
      connection: number,
      head: takeBytes(socket).toString("base64"),
      isSecure,
      capsule,
      route: routeToWire(route),
    } satisfies ToProcess;
    this.#child.send([message], socket, {}, (error) => {
      if (error) this.#connections.close(number);
    });
  }

  /**
   * Ends the connections of a capsule, and refuses others until it is told `reset`.
   *
   * @throws WrennError `deadline_exceeded`, or what the process answers: its connections may still be there.
   */
  async drain(capsule: string, signal: AbortSignal): Promise<void> {
    const drained = this.#questions.ask(
      { what: "the end of connections to ports", ms: DRAIN_MS, signal },
      (ref) => this.tell({ type: "drain", ref, capsule }),
      (ref) => this.tell({ type: "abort", ref }),
    );
    if (!this.#known.has(capsule)) {
      // It has no connection to the capsule, and gets none from now on.
      drained.catch(() => {});
      return;
    }
    await drained;
    this.#known.delete(capsule);
  }

  tell(message: ToProcess): void {
    // It may be about to end, which ends everything that waits for it.
    if (this.#child.connected) this.#child.send([message], () => {});
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  #end(problem: string): string {
    this.isReady = false;
    // The listeners ask it about their sockets when they close, as long as it seems to be connected.
    if (this.#child.connected) this.#child.disconnect();
    const error = new Error(`the port process ended: ${problem}`);
    this.#ready.promise.catch(() => {});
    this.#ready.reject(error);
    this.#answers.abandonAll();
    this.#platform.close();
    this.#connections.closeAll();
    this.#inUse.clear();
    // Its connections ended with it: that is what drains wait for.
    this.#questions.answerAll();
    return problem;
  }

  #receive(received: unknown): void {
    try {
      for (const message of parseMessages(toServerShapes, received)) this.#take(message);
    } catch (error) {
      this.#deps.logger.error("edge.port_process_confused", { problem: problemOf(error) });
      this.#child.kill("SIGKILL");
    }
  }

  #take(message: ToServer): void {
    switch (message.type) {
      case "ready":
        this.isReady = true;
        this.#ready.resolve();
        return;
      case "find":
        void this.#answers.give(message.ref, async (signal) => {
          const route = await this.#platform.find(message, signal);
          if (route) this.#known.add(message.capsule);
          return route;
        });
        return;
      case "resume":
      case "check":
      case "attempt":
      case "attempt_failed":
        void this.#answers.give(message.ref, async (signal) => this.#platform.answer(message, signal));
        return;
      case "authenticated":
        void this.#answers.give(message.ref, async () => {
          const access = this.#platform.grant(message.grant);
          if (!access) throw new WrennError("access_ended", {});
          this.#connections.authenticated(message.connection, message.owner, access);
        });
        return;
      case "public":
        this.#platform.holdPublic(message);
        return;
      case "release":
        this.#platform.release(message.grant);
        return;
      case "in_use":
        if (message.isInUse) this.#inUse.add(message.capsule);
        else this.#inUse.delete(message.capsule);
        return;
      case "active":
        this.#deps.onActivity?.(message.capsule);
        return;
      case "log":
        this.#platform.log(message);
        return;
      case "answer":
        this.#questions.answer(message.ref, message.value);
        return;
      case "failed":
        this.#questions.fail(message.ref, errorFromWire(message.error));
        return;
      case "abort":
        this.#answers.abandon(message.ref);
        return;
      case "arrived":
      case "busy":
      case "idle":
      case "closed":
        this.#connections.take(message);
    }
  }
}
