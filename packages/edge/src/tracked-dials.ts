import type { Duplex } from "node:stream";
import type { HostAgent } from "@wrenn/protocol";
import { ConnectionTracker } from "./connection-tracker.ts";

/** Connections from the edges of other machines to ports of this host's capsules, so that a pause can wait for them. */
export class TrackedDials {
  readonly #connections = new ConnectionTracker();

  inUse(capsuleId: string): boolean {
    return this.#connections.count(capsuleId) > 0;
  }

  async drain(capsuleId: string, signal: AbortSignal): Promise<void> {
    await this.#connections.drainOrClose(capsuleId, signal);
  }

  end(capsuleId: string): void {
    this.#connections.end(capsuleId);
  }

  reset(capsuleId: string): void {
    this.#connections.reset(capsuleId);
  }

  /** The agent's `dial`, with each connection tracked from its start to its end. */
  through(agent: Pick<HostAgent, "dial">): HostAgent["dial"] {
    return async (id, port, options): Promise<Duplex> => {
      const hold = this.#connections.acquire(id);
      try {
        const connection = await agent.dial(id, port, options);
        const onForce = (): void => void connection.destroy();
        hold.signal.addEventListener("abort", onForce, { once: true });
        connection.once("close", () => {
          hold.signal.removeEventListener("abort", onForce);
          hold.release();
        });
        return connection;
      } catch (error) {
        hold.release();
        throw error;
      }
    };
  }
}
