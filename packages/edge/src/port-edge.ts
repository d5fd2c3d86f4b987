import type { Duplex } from "node:stream";
import type { CredentialChecks } from "./access/port-grant.ts";
import type { LinkRecord } from "./access/signed-link.ts";
import type { SignInRequest } from "./access/sign-in.ts";
import { createEdge } from "./edge.ts";
import type { Edge } from "./edge.ts";
import type { EdgeOptions } from "./edge-options.ts";
import type { PortProcess } from "./port-process/port-process.ts";
import type { CapsuleRoutes } from "./routing/capsule-route.ts";

export interface PortEdgeOptions extends Pick<
  EdgeOptions,
  | "clock"
  | "random"
  | "logger"
  | "linkKey"
  | "limits"
  | "onActivity"
  | "onAuthenticated"
  | "onUse"
  | "attempts"
> {
  /** Domain under which `{port}-{capsule}` is served. */
  readonly domain: string;
  /** Where browsers reach the platform. Default: the domain, at the port that the edge listens on. */
  readonly publicUrl: string | undefined;
  /** See {@link EdgeOptions}; it lies at the port that the edge listens on. */
  readonly pathHost?: string | undefined;
}

/**
 * The edge of one server: the addresses of ports under its domain, and the connections that a pause waits for. Host agent
 * and control plane are created with it, and it queries the control plane, so the control plane joins last.
 */
export class PortEdge {
  readonly edge: Edge;
  readonly #domain: string;
  readonly #publicUrl: string | undefined;
  readonly #pathHost: string | undefined;
  #process: PortProcess | undefined;
  #platform: (CapsuleRoutes & CredentialChecks) | undefined;
  #origin: { readonly protocol: "http" | "https"; readonly port: number } = { protocol: "http", port: 80 };

  constructor(options: PortEdgeOptions) {
    const { domain, publicUrl, pathHost, onActivity, ...rest } = options;
    this.#domain = domain;
    this.#publicUrl = publicUrl;
    this.#pathHost = pathHost;
    this.edge = createEdge({
      ...rest,
      onActivity: (capsuleId) => {
        onActivity?.(capsuleId);
        this.#process?.wanted();
      },
      domains: [domain],
      pathHost,
      capsules: {
        find: async (id, signal) => await this.#require().find(id, signal),
        resume: async (id, signal) => await this.#require().resume(id, signal),
      },
      credentials: {
        apiKey: async (key, id, signal) => await this.#require().apiKey(key, id, signal),
        bearer: async (token, id, signal) => await this.#require().bearer(token, id, signal),
        session: async (login, id, signal) => await this.#require().session(login, id, signal),
        link: async (link, target, signal) => await this.#require().link(link, target, signal),
        publicPort: (target) => this.#require().publicPort(target),
      },
      signIn: (asked) => this.#signIn(asked),
    });
  }

  /** Connects the edge to the control plane. Requests fail before that. */
  join(platform: CapsuleRoutes & CredentialChecks): void {
    this.#platform = platform;
  }

  /** Lets a process serve connections to ports, too. */
  use(process: PortProcess): void {
    this.#process = process;
  }

  /** Sets where clients reach the edge, for the addresses that users are given. */
  listensAt(protocol: "http" | "https", port: number): void {
    this.#origin = { protocol, port };
  }

  /** Where `/proxy/{id}/{port}/…` is served; undefined where it is not. */
  pathUrl(): string | undefined {
    return this.#pathHost === undefined ? undefined : this.#address(this.#pathHost);
  }

  /** What the addresses of all ports have in common. */
  portOrigin(): { readonly scheme: "http" | "https"; readonly domain: string; readonly port: number } {
    const { protocol, port } = this.#origin;
    return { scheme: protocol, domain: this.#domain, port };
  }

  portUrl(capsuleId: string, port: number): string {
    // Who asks for an address is about to use it.
    this.#process?.wanted();
    return `${this.#address(`${port}-${capsuleId}.${this.#domain}`)}/`;
  }

  portLink(capsuleId: string, port: number, link: LinkRecord): string {
    return `${this.portUrl(capsuleId, port)}?${this.edge.linkQuery({ capsuleId, port }, link)}`;
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

  /** See {@link Edge.openPort}. */
  async openPort(capsuleId: string, port: number, signal: AbortSignal): Promise<Duplex> {
    return await this.edge.openPort({ capsuleId, port }, signal);
  }

  inUse(capsuleId: string): boolean {
    return this.edge.connections.count(capsuleId) > 0 || this.#process?.inUse(capsuleId) === true;
  }

  async drain(capsuleId: string, signal: AbortSignal): Promise<void> {
    this.invalidate(capsuleId);
    await Promise.all([
      this.edge.connections.drainOrClose(capsuleId, signal),
      this.#process?.drain(capsuleId, signal),
    ]);
  }

  /** Ends the connections of a capsule that is gone, and refuses others until {@link reset}. */
  end(capsuleId: string): void {
    this.invalidate(capsuleId);
    this.edge.connections.end(capsuleId);
    this.#process?.end(capsuleId);
  }

  reset(capsuleId: string): void {
    this.invalidate(capsuleId);
    this.edge.connections.reset(capsuleId);
    this.#process?.reset(capsuleId);
  }

  /** See {@link Edge.invalidate}. */
  invalidate(capsuleId: string): void {
    this.edge.invalidate(capsuleId);
    this.#process?.invalidate(capsuleId);
  }

  /** Uses the protocol of the edge's own addresses: a cookie that was set over HTTPS is not sent over HTTP. */
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
