import type { Socket } from "node:net";
import { problemOf } from "@wrenn/core";
import type { HandOver } from "../edge-server.ts";
import type { ClientConnection } from "../listener/client-connections.ts";
import { peekDestination } from "../listener/peek.ts";
import type { Destination } from "../listener/peek.ts";
import { hostNameOf, parsePortHost } from "../port-target.ts";
import type { CapsuleRoute } from "../routing/capsule-route.ts";
import { parsePathForm } from "../routing/path-form.ts";
import type { PlatformAnswersDeps } from "./platform-answers.ts";
import { RunningProcess } from "./running-process.ts";
import type { ProcessSettings } from "./settings.ts";

export interface PortProcessOptions extends PlatformAnswersDeps {
  /** The route of a capsule, as the server's own edge knows it. */
  readonly find: (capsuleId: string) => Promise<CapsuleRoute>;
  /** Asked at each start of the process. */
  readonly settings: () => Omit<ProcessSettings, "draining" | "listener">;
}

/** A process without connections ends after this time, so that its memory is there for others. */
const IDLE_MS = 600_000;
/** A process that ended is started again after this time, which doubles until one has lived for {@link STEADY_MS}. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const STEADY_MS = 60_000;

/**
 * The process that serves connections to ports of capsules, so that what they move takes no time from the server: whoever moves bulk uses up
 * its share of the processor, and everything else in that process waits (decision 43). It takes whole connections, and can end at any time:
 * the server serves all connections itself while there is none.
 */
export class PortProcess implements HandOver {
  readonly #options: PortProcessOptions;
  readonly #closing = new AbortController();
  /** Capsules that take no connections until they are reset. */
  readonly #draining = new Set<string>();
  #running: RunningProcess | undefined;
  #starting: Promise<void> | undefined;
  #failures = 0;
  #notBefore = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: PortProcessOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Of the process, while there is one. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  get isReady(): boolean {
    return this.#running?.hasRoom === true;
  }

  /** Starts the process, unless it is there or has just ended. A port was used. */
  wanted(): void {
    if (this.#running || this.#closing.signal.aborted) return;
    if (this.#options.clock.monotonic() < this.#notBefore) return;
    this.#starting = this.#start();
  }

  async offer(socket: Socket, connection: ClientConnection, isSecure: boolean): Promise<boolean> {
    const destination = await peekDestination(socket, isSecure);
    const capsule = destination && this.#capsuleOf(destination);
    if (capsule === undefined) return false;
    const route = await this.#find(capsule);
    // A capsule of another host is reached through the server's link to it.
    if (!route || route.connect) return false;
    if (socket.destroyed) return true;
    const running = this.#running;
    if (!running?.hasRoom) return false;
    running.hand(socket, connection, isSecure, { capsule, route });
    this.#idle?.refresh();
    return true;
  }

  inUse(capsuleId: string): boolean {
    return this.#running?.inUse(capsuleId) ?? false;
  }

  invalidate(capsule: string): void {
    this.#running?.tell({ type: "invalidate", capsule });
  }

  /**
   * Ends the connections of a capsule, and refuses others until {@link reset}.
   *
   * @throws the signal's reason.
   */
  async drain(capsule: string, signal: AbortSignal): Promise<void> {
    this.#draining.add(capsule);
    const running = this.#running;
    try {
      await running?.drain(capsule, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Nothing may be half open in a snapshot, so its connections end with the process.
      this.#options.logger.warn("edge.port_process_stuck", { problem: problemOf(error) });
      await running?.kill();
    }
  }

  /** Ends the connections of a capsule that is gone at once, and refuses others until {@link reset}. */
  end(capsule: string): void {
    this.#running?.tell({ type: "end", capsule });
  }

  reset(capsule: string): void {
    this.#draining.delete(capsule);
    this.#running?.tell({ type: "reset", capsule });
  }

  /** Ends the process with its connections. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the server is ending"));
    clearInterval(this.#idle);
    await this.#running?.kill();
    await this.#starting;
  }

  async #start(): Promise<void> {
    const { settings, connections, logger, clock } = this.#options;
    const startedAt = clock.monotonic();
    const running = new RunningProcess(
      {
        ...settings(),
        // Half of what may wait in memory is the server's.
        listener: { ...connections.limits, unreadBytes: connections.limits.unreadBytes / 2 },
        draining: [...this.#draining],
      },
      this.#options,
    );
    this.#running = running;
    let isIdle = false;
    void running.ended.then((problem) => {
      clearInterval(this.#idle);
      if (this.#running === running) this.#running = undefined;
      if (this.#closing.signal.aborted || isIdle) return;
      this.#pause(clock.monotonic() - startedAt);
      logger.warn("edge.port_process_died", { problem });
    });
    try {
      await running.ready(this.#closing.signal);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        logger.warn("edge.port_process_failed", { problem: problemOf(error) });
      await running.kill();
      return;
    }
    logger.debug("edge.port_process_started", { pid: running.pid });
    this.#idle = setInterval(() => {
      if (running.connections > 0) return;
      isIdle = true;
      void running.kill();
    }, IDLE_MS).unref();
  }

  #pause(livedMs: number): void {
    this.#failures = livedMs < STEADY_MS ? this.#failures + 1 : 1;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    this.#notBefore = this.#options.clock.monotonic() + pause;
  }

  /** A capsule that cannot be found is the server's to answer for. */
  async #find(capsuleId: string): Promise<CapsuleRoute | undefined> {
    try {
      return await this.#options.find(capsuleId);
    } catch {
      return undefined;
    }
  }

  /** The capsule that a connection is for. The path form in TLS names none before the server has read a request. */
  #capsuleOf({ host, target }: Destination): string | undefined {
    const { domain, pathHost } = this.#options.settings();
    try {
      const port = parsePortHost(host, [domain]);
      if (port) return port.capsuleId;
      if (pathHost === undefined || hostNameOf(host) !== pathHost || target === undefined) return undefined;
      return parsePathForm(target)?.target.capsuleId;
    } catch {
      return undefined;
    }
  }
}
