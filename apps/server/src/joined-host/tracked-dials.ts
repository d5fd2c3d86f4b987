import type { Duplex } from "node:stream";
import { ConnectionTracker } from "@wrenn/edge";
import type { PortConnections } from "@wrenn/host-agent";
import type { HostAgent } from "@wrenn/protocol";

/** How long connections may take to end before a pause ends them (contract 30 §3.3). */
const DRAIN_MS = 5000;

/** Connections that edges of other machines have to ports of this host's capsules, so that a pause can wait for them. */
export class TrackedDials implements PortConnections {
  readonly #connections = new ConnectionTracker();

  inUse(capsuleId: string): boolean {
    return this.#connections.count(capsuleId) > 0;
  }

  async drain(capsuleId: string, signal: AbortSignal): Promise<void> {
    if (await this.#connections.drain(capsuleId, DRAIN_MS, signal)) return;
    this.#connections.forceClose(capsuleId);
  }

  reset(capsuleId: string): void {
    this.#connections.reset(capsuleId);
  }

  /** The agent's own dial, with each connection known here from its begin to its end. */
  through(agent: HostAgent): HostAgent["dial"] {
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
