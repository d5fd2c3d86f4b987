import type { PortConnections } from "@wrenn/host-agent";
import { createEdge } from "@wrenn/edge";
import type { CapsuleDirectory, CredentialChecks, Edge, EdgeOptions } from "@wrenn/edge";

/** How long connections may take to end before a pause ends them (contract 30 §3.3). */
const DRAIN_MS = 5000;

export interface PortEdgeOptions extends Pick<
  EdgeOptions,
  "clock" | "random" | "logger" | "linkKey" | "onActivity"
> {
  /** Domain under which `{port}-{capsule}` is served. */
  readonly domain: string;
}

/**
 * The edge of this host. Host agent and control plane are made with it, and it asks the control plane, so the control plane is
 * joined last.
 */
export class PortEdge implements PortConnections {
  readonly edge: Edge;
  readonly #domain: string;
  #platform: (CapsuleDirectory & CredentialChecks) | undefined;
  #origin: { readonly protocol: string; readonly port: number } = { protocol: "http", port: 80 };

  constructor(options: PortEdgeOptions) {
    const { domain, ...rest } = options;
    this.#domain = domain;
    this.edge = createEdge({
      ...rest,
      domains: [domain],
      pathForm: true,
      capsules: {
        find: async (id, signal) => await this.#require().find(id, signal),
        wake: async (id, signal) => await this.#require().wake(id, signal),
      },
      credentials: {
        apiKey: async (key, id, signal) => await this.#require().apiKey(key, id, signal),
        bearer: async (token, id, signal) => await this.#require().bearer(token, id, signal),
        session: async (cookie, id, signal) => await this.#require().session(cookie, id, signal),
      },
    });
  }

  /** From now on requests can be answered. */
  join(platform: CapsuleDirectory & CredentialChecks): void {
    this.#platform = platform;
  }

  /** Where clients reach the edge, for the addresses that users are told. */
  listensAt(protocol: "http" | "https", port: number): void {
    this.#origin = { protocol, port };
  }

  portUrl(capsuleId: string, port: number): string {
    const { protocol, port: own } = this.#origin;
    const suffix =
      (protocol === "http" && own === 80) || (protocol === "https" && own === 443) ? "" : `:${own}`;
    return `${protocol}://${port}-${capsuleId}.${this.#domain}${suffix}/`;
  }

  portLink(capsuleId: string, port: number, expiresAt: number): string {
    return `${this.portUrl(capsuleId, port)}?${this.edge.linkQuery({ capsuleId, port }, expiresAt)}`;
  }

  inUse(capsuleId: string): boolean {
    return this.edge.connections.count(capsuleId) > 0;
  }

  async drain(capsuleId: string, signal: AbortSignal): Promise<void> {
    this.edge.invalidate(capsuleId);
    if (await this.edge.connections.drain(capsuleId, DRAIN_MS, signal)) return;
    this.edge.connections.forceClose(capsuleId);
  }

  reset(capsuleId: string): void {
    this.edge.invalidate(capsuleId);
    this.edge.connections.reset(capsuleId);
  }

  #require(): CapsuleDirectory & CredentialChecks {
    if (!this.#platform) throw new Error("the edge was asked before the control plane had joined");
    return this.#platform;
  }
}
