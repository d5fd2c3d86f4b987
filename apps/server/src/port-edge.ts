import type { PortConnections } from "@wrenn/host-agent";
import { createEdge } from "@wrenn/edge";
import type { CapsuleRoutes, CredentialChecks, Edge, EdgeOptions, SignInRequest } from "@wrenn/edge";

/** How long connections may take to end before a pause ends them (contract 30 §3.3). */
const DRAIN_MS = 5000;

export interface PortEdgeOptions extends Pick<
  EdgeOptions,
  "clock" | "random" | "logger" | "linkKey" | "onActivity"
> {
  /** Domain under which `{port}-{capsule}` is served. */
  readonly domain: string;
  /** Where people reach the platform; by the domain where the edge listens without. */
  readonly publicUrl: string | undefined;
}

/**
 * The edge of this host. Host agent and control plane are made with it, and it asks the control plane, so the control plane is
 * joined last.
 */
export class PortEdge implements PortConnections {
  readonly edge: Edge;
  readonly #domain: string;
  readonly #publicUrl: string | undefined;
  #platform: (CapsuleRoutes & CredentialChecks) | undefined;
  #origin: { readonly protocol: string; readonly port: number } = { protocol: "http", port: 80 };

  constructor(options: PortEdgeOptions) {
    const { domain, publicUrl, ...rest } = options;
    this.#domain = domain;
    this.#publicUrl = publicUrl;
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
        session: async (login, id, signal) => await this.#require().session(login, id, signal),
      },
      signIn: (asked) => this.#signIn(asked),
    });
  }

  /** From now on requests can be answered. */
  join(platform: CapsuleRoutes & CredentialChecks): void {
    this.#platform = platform;
  }

  /** Where clients reach the edge, for the addresses that users are told. */
  listensAt(protocol: "http" | "https", port: number): void {
    this.#origin = { protocol, port };
  }

  portUrl(capsuleId: string, port: number): string {
    return `${this.#address(`${port}-${capsuleId}.${this.#domain}`)}/`;
  }

  portLink(capsuleId: string, port: number, expiresAt: number): string {
    return `${this.portUrl(capsuleId, port)}?${this.edge.linkQuery({ capsuleId, port }, expiresAt)}`;
  }

  portEntrance(
    capsuleId: string,
    port: number,
    {
      sessionId,
      binding,
      path,
    }: { readonly sessionId: string; readonly binding: string; readonly path: string },
  ): string {
    const query = this.edge.ticketQuery({ capsuleId, port }, sessionId, binding);
    const [address = ""] = path.split("#", 1);
    return `${this.portUrl(capsuleId, port).slice(0, -1)}${address}${address.includes("?") ? "&" : "?"}${query}`;
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

  /** Over the protocol that addresses are told with: what is kept for a secure page is not seen by a plain one. */
  #signIn({ target: { capsuleId, port }, url, protocol, binding }: SignInRequest): string {
    if (protocol !== this.#origin.protocol) return `${this.portUrl(capsuleId, port).slice(0, -1)}${url}`;
    const query = new URLSearchParams({ capsule: capsuleId, port: String(port), path: url, binding });
    return `${this.#publicUrl ?? this.#address(this.#domain)}/v1/ports/sign-in?${query.toString()}`;
  }

  #address(name: string): string {
    const { protocol, port } = this.#origin;
    const usual = protocol === "http" ? 80 : 443;
    return `${protocol}://${name}${port === usual ? "" : `:${port}`}`;
  }

  #require(): CapsuleRoutes & CredentialChecks {
    if (!this.#platform) throw new Error("the edge was asked before the control plane had joined");
    return this.#platform;
  }
}
