import { eventsOf } from "../events/events.ts";
import type { EventsOptions, WrennEvent } from "../events/events.ts";
import { logsOf } from "../events/logs.ts";
import type { Logs, LogsOptions } from "../events/logs.ts";
import { followMetrics, readMetrics } from "../events/metrics.ts";
import type { MetricsOptions, MetricsPoint, MetricsRange } from "../events/metrics.ts";
import { isWrennError } from "../errors/wrenn-error.ts";
import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { requireKnownOptions } from "../transport/options.ts";
import { collect, listOf } from "../transport/pages.ts";
import { readNetworkDecisions, requireNetworkPolicy } from "./network.ts";
import type { NetworkDecision, NetworkPolicy } from "./network.ts";
import type { PortConnection } from "./port-connection.ts";
import { createPortLink, linkOf, portUrl, readListeningPorts, requirePort } from "./ports.ts";
import type {
  ListeningPorts,
  NewPortLink,
  PortAccess,
  PortLink,
  PortLinksOptions,
  PortSetting,
  SignedUrlOptions,
  UrlOptions,
} from "./ports.ts";
import { capsulePath, findCapsule, hasEnded } from "./start-capsule.ts";

/** What is seen of a capsule from outside: its ports, its network, and what it does. */
export abstract class CapsuleAccess {
  /** `cl-` and 25 characters. */
  readonly id: string;
  readonly #http: HttpClient;

  protected constructor(http: HttpClient, id: string) {
    this.#http = http;
    this.id = id;
  }

  /** @internal */
  protected get http(): HttpClient {
    return this.#http;
  }

  /** @internal */
  protected get path(): string {
    return capsulePath(this.id);
  }

  /**
   * The address of a port, which has a name of its own: `http://8000-cl-….localhost:8080/`. A private port also needs the API key in
   * `X-API-Key`, or a {@link signedUrl}.
   *
   * @throws WrennError `invalid_option`.
   */
  async getUrl(port: number, options: UrlOptions = {}): Promise<string> {
    return await portUrl(this.http, this.id, port, options);
  }

  /**
   * The address of a new signed link to a port: everyone who has it can use the port. {@link createLink} also gives what revokes it.
   *
   * @throws WrennError `invalid_option`, `limit_reached` with 1000 links.
   */
  async signedUrl(port: number, options: SignedUrlOptions = {}): Promise<string> {
    return (await this.createLink(port, options)).url;
  }

  /** A new signed link to a port. @throws as {@link signedUrl}. */
  async createLink(port: number, options: SignedUrlOptions = {}): Promise<NewPortLink> {
    return await createPortLink(this.http, this.path, port, options);
  }

  /** Signed links that work, newest first. */
  async links(options: PortLinksOptions = {}): Promise<readonly PortLink[]> {
    const call = "Capsule.links";
    requireKnownOptions(call, options, ["port", "signal"]);
    const { port, signal } = options;
    const path = `${this.path}/ports/links`;
    return await collect(listOf(this.http, { call, path, query: { port } }, { signal }, linkOf));
  }

  /** Ends a signed link, together with the connections that it opened. */
  async revokeLink(link: Pick<PortLink, "id" | "port">, options: CallOptions = {}): Promise<void> {
    requireCallOptions("Capsule.revokeLink", options);
    const path = `${this.path}/ports/${link.port}/links/${segment(link.id)}`;
    await this.http.json("DELETE", path, { signal: options.signal });
  }

  /** What listens in the capsule, with who may use it. Asking does not count as use. */
  async ports(options: CallOptions = {}): Promise<ListeningPorts> {
    requireCallOptions("Capsule.ports", options);
    return await readListeningPorts(this.http, this.path, options.signal);
  }

  /** Ports whose access was set, whether or not something listens there. */
  async portSettings(options: CallOptions = {}): Promise<readonly PortSetting[]> {
    const call = "Capsule.portSettings";
    requireCallOptions(call, options);
    const list = { call, path: `${this.path}/ports` };
    return await collect(listOf(this.http, list, options, (wire: PortSetting) => wire));
  }

  /** Says who may use a port: ports are `private` until they are made `public`. */
  async setPortAccess(port: number, access: PortAccess, options: CallOptions = {}): Promise<PortSetting> {
    const call = "Capsule.setPortAccess";
    requireCallOptions(call, options);
    requirePort(call, port);
    const request = { json: { access }, signal: options.signal };
    return await this.http.json<PortSetting>("PUT", `${this.path}/ports/${port}`, request);
  }

  /**
   * A TCP connection to a service in the capsule, through the server. It ends with the access of its caller, and with a pause.
   *
   * @throws WrennError `port_not_listening`, `invalid_option`.
   * @example
   * ```ts
   * await capsule.commands.run("python3 -m http.server 8000", { background: true });
   * await capsule.commands.run("until curl -so /dev/null localhost:8000; do sleep 0.1; done");
   * const { readable, writable } = await capsule.connectPort(8000);
   * const writer = writable.getWriter();
   * await writer.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
   * await writer.close();
   * console.log(await new Response(readable).text());
   * ```
   */
  async connectPort(port: number, options: CallOptions = {}): Promise<PortConnection> {
    const call = "Capsule.connectPort";
    requireCallOptions(call, options);
    requirePort(call, port);
    // Loaded at its first use, as git and terminals are.
    const { connectToPort } = await import("./port-connection.ts");
    return await connectToPort(this.http.settings, `${this.path}/ports/${port}/tunnel`, options.signal);
  }

  /** What the capsule may reach. */
  async network(options: CallOptions = {}): Promise<NetworkPolicy> {
    requireCallOptions("Capsule.network", options);
    return await this.http.json<NetworkPolicy>("GET", `${this.path}/network`, { signal: options.signal });
  }

  /** Replaces what the capsule may reach, at once: connections that are no longer allowed end. */
  async setNetwork(policy: NetworkPolicy, options: CallOptions = {}): Promise<NetworkPolicy> {
    const call = "Capsule.setNetwork";
    requireNetworkPolicy(call, policy);
    requireCallOptions(call, options);
    const request = { json: policy, signal: options.signal };
    return await this.http.json<NetworkPolicy>("PUT", `${this.path}/network`, request);
  }

  /** What the running capsule lately tried to reach, and what its policy decided. */
  async networkDecisions(options: CallOptions = {}): Promise<readonly NetworkDecision[]> {
    requireCallOptions("Capsule.networkDecisions", options);
    return await readNetworkDecisions(this.http, this.path, options.signal);
  }

  /**
   * How busy the capsule was.
   *
   * @param range - how far back. Default: `10m`.
   */
  async metrics(range: MetricsRange = "10m", options: MetricsOptions = {}): Promise<readonly MetricsPoint[]> {
    return await readMetrics(this.http, this.id, range, options);
  }

  /** How busy the capsule is, as it is measured; ends with the capsule. Broken connections are resumed without a gap of up to 5 min. */
  metricsStream(options: MetricsOptions = {}): AsyncIterable<MetricsPoint> {
    return followMetrics(this.http, this.id, this.#hasEnded, options);
  }

  /**
   * The console of the capsule and what the platform did with it, oldest first. Output of commands is in their own logs.
   *
   * @example
   * ```ts
   * for await (const entry of capsule.logs({ tail: 20 })) console.log(entry.at, entry.message);
   * ```
   */
  logs(options: LogsOptions = {}): Logs {
    return logsOf(this.http, this.id, this.#hasEnded, options);
  }

  /**
   * What happened to the capsule, its checkpoints and its ports. With `follow`, as it happens, until the capsule is destroyed: no
   * stored event is lost or repeated over broken connections and restarts of the server.
   */
  events(options: EventsOptions = {}): AsyncIterable<WrennEvent> {
    const scope = { call: "Capsule.events", capsuleId: this.id, hasEnded: this.#hasEnded };
    return eventsOf(this.http, scope, options);
  }

  readonly #hasEnded = async (signal: AbortSignal | undefined): Promise<boolean> => {
    try {
      return hasEnded(await findCapsule(this.http, this.id, signal));
    } catch (error) {
      if (isWrennError(error, "not_found")) return true;
      throw error;
    }
  };
}
