import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { defined, problemOf, systemClock, withDeadline, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { forkConfined } from "@wrenn/system";
import type { Destinations } from "../destinations.ts";
import type { Upstream } from "../host-rules.ts";
import { gatewayUid, hostGateway } from "../naming.ts";
import type { Instance } from "../naming.ts";
import type { NamedAddress } from "../policy-rules.ts";
import type { NetworkPolicy } from "../policy.ts";
import type { NetworkDecision } from "@wrenn/protocol";
import type { FromGateway, ToGateway } from "./messages.ts";

const PROGRAM = fileURLToPath(new URL("gateway-process.ts", import.meta.url));
/** All that the process may read: its program and the packages that it imports. */
const READABLE = [
  "packages/network/src/",
  "packages/network/package.json",
  "packages/core/src/",
  "packages/core/package.json",
  "node_modules/@wrenn/core",
  "node_modules/dns-packet/",
  "node_modules/@leichtgewicht/ip-codec/",
];
const ANSWER_MS = 5000;
const START_MS = 15_000;
const START_ATTEMPTS = 5;
const START_PAUSE_MS = 300;
const RESTART_MS = 1000;
/** What slots may make it remember, some hundred of them at their limits. */
const HEAP_MIB = 512;

export interface GatewayOptions {
  readonly instance: Instance;
  readonly upstreams: readonly Upstream[];
  readonly destinations: Pick<Destinations, "opened">;
  /** Zones of the network that the host is in. */
  readonly searchDomains: readonly string[];
  /** What it may ask the upstreams for all slots together. */
  readonly questionsPerSecond: number;
  /** Connections that it may open to servers for all slots together. */
  readonly dialsPerSecond: number;
  readonly logger: Logger;
  /** Lets addresses pass for a slot, after having checked that it may. */
  readonly bind: (slot: number, epoch: number, addresses: readonly NamedAddress[]) => Promise<void>;
  /** Public id of the capsule that has a slot. */
  readonly capsuleOf: (slot: number) => string | undefined;
}

/** The gateway process as the host agent drives it. A process that dies is started again and told all policies. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #policies = new Map<number, { readonly policy: NetworkPolicy; readonly epoch: number }>();
  readonly #waiting = new Map<number, (message: FromGateway | undefined) => void>();
  readonly #closing = new AbortController();
  #child: ChildProcess | undefined;
  #nextRef = 1;

  private constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** @throws WrennError `operation_failed` when the process does not come up. */
  static async start(options: GatewayOptions, signal: AbortSignal): Promise<Gateway> {
    const gateway = new Gateway(options);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await gateway.#spawn(signal);
        return gateway;
      } catch (error) {
        // The gateway of a host agent that was just killed may be about to give the ports free.
        if (attempt === START_ATTEMPTS || signal.aborted) throw error;
        await systemClock.sleep(START_PAUSE_MS, signal);
      }
    }
  }

  /** From when this resolves, names are judged by the new policy. */
  async setPolicy(slot: number, epoch: number, policy: NetworkPolicy, signal: AbortSignal): Promise<void> {
    this.#policies.set(slot, { policy, epoch });
    // A process that died, or dies now, gets it with the others when it is started again; until then there are no names.
    if (this.#child) await this.#ask((ref) => ({ type: "policy", ref, slot, epoch, policy }), signal);
  }

  forget(slot: number): void {
    this.#policies.delete(slot);
    this.#tell({ type: "forget", slot });
  }

  async decisions(slot: number, signal: AbortSignal): Promise<readonly NetworkDecision[]> {
    if (!this.#child) return [];
    const answer = await this.#ask((ref) => ({ type: "decisions", ref, slot }), signal);
    return answer?.type === "decisions" ? answer.decisions : [];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
    await promise;
  }

  async #spawn(signal: AbortSignal): Promise<void> {
    const { instance, upstreams, destinations, searchDomains, logger } = this.#options;
    const { questionsPerSecond, dialsPerSecond } = this.#options;
    const child = forkConfined({ program: PROGRAM, readable: READABLE, heapMib: HEAP_MIB });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      logger.warn("network.gateway_output", { text: text.slice(0, 2000) });
    });
    child.on("message", (message: FromGateway) => this.#receive(child, message));
    child.once("exit", (code, by) => this.#onExit(child, `exit ${code ?? by}`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once("error", reject);
    child.once("exit", () => reject(new Error("it ended")));
    child.on("message", (message: FromGateway) => {
      if (message.type === "ready") resolve();
      if (message.type === "failed") reject(new Error(message.problem));
    });
    child.send({
      type: "start",
      block: instance.block,
      address: hostGateway(instance),
      uid: gatewayUid(instance),
      upstreams,
      reachable: destinations.opened,
      searchDomains,
      questionsPerSecond,
      dialsPerSecond,
    } satisfies ToGateway);
    try {
      await withDeadline("the start of the network gateway", START_MS, signal, () => promise);
    } catch (error) {
      child.kill("SIGKILL");
      throw new WrennError("operation_failed", {
        operation: "starting the network gateway",
        problem: problemOf(error),
      });
    }
    for (const [slot, { policy, epoch }] of this.#policies)
      child.send({ type: "policy", ref: 0, slot, epoch, policy } satisfies ToGateway);
    this.#child = child;
  }

  #onExit(child: ChildProcess, problem: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const settle of this.#waiting.values()) settle(undefined);
    if (this.#closing.signal.aborted) return;
    this.#options.logger.error("network.gateway_died", { problem });
    void this.#restart();
  }

  async #restart(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && !this.#child) {
      try {
        await systemClock.sleep(RESTART_MS, signal);
        await this.#spawn(signal);
      } catch (error) {
        if (!signal.aborted)
          this.#options.logger.error("network.gateway_failed", { problem: problemOf(error) });
      }
    }
  }

  #receive(child: ChildProcess, message: FromGateway): void {
    if (message.type === "done" || message.type === "decisions") this.#waiting.get(message.ref)?.(message);
    const send = (answer: ToGateway): void => {
      if (child.connected) child.send(answer);
    };
    if (message.type === "whose") {
      const capsule = this.#options.capsuleOf(message.slot);
      send({ type: "capsule", ref: message.ref, ...defined({ capsule }) });
    }
    if (message.type !== "bind") return;
    const { ref, slot, epoch, addresses } = message;
    const answer = (problem?: string): void => send({ type: "bound", ref, ...defined({ problem }) });
    this.#options.bind(slot, epoch, addresses).then(
      () => answer(),
      (error: unknown) => answer(problemOf(error)),
    );
  }

  #tell(message: ToGateway): void {
    if (this.#child?.connected) this.#child.send(message);
  }

  /** The answer, or undefined when the process died over it. */
  async #ask(message: (ref: number) => ToGateway, signal: AbortSignal): Promise<FromGateway | undefined> {
    const ref = this.#nextRef++;
    const { promise, resolve } = Promise.withResolvers<FromGateway | undefined>();
    this.#waiting.set(ref, resolve);
    try {
      this.#tell(message(ref));
      return await withDeadline("the network gateway's answer", ANSWER_MS, signal, () => promise);
    } finally {
      this.#waiting.delete(ref);
    }
  }
}
