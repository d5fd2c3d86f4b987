import { Capsules } from "./capsules/capsules.ts";
import { eventsOf } from "./events/events.ts";
import type { EventsOptions, WrennEvent } from "./events/events.ts";
import { readQuota, readServerInfo } from "./wrenn/server-info.ts";
import type { Quota, ServerInfo } from "./wrenn/server-info.ts";
import { Builds } from "./templates/builds.ts";
import { Templates } from "./templates/templates.ts";
import { requireCallOptions } from "./transport/call-options.ts";
import type { CallOptions } from "./transport/call-options.ts";
import { connectionOptionNames, connectionSettings } from "./transport/connection.ts";
import type { ConnectionOptions } from "./transport/connection.ts";
import { HttpClient } from "./transport/http.ts";
import { invalidOption, requireKnownOptions } from "./transport/options.ts";

/** What {@link Wrenn.request} sends. */
export interface RequestOptions extends CallOptions {
  /** Parameters of the query; a list is repeated. */
  readonly query?:
    | Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
    | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/**
 * A connection to one server. Calls that take {@link ConnectionOptions} make one of their own; make one when several calls share
 * settings that are not in the environment.
 *
 * @example
 * ```ts
 * const wrenn = new Wrenn({ url: "http://localhost:8080" });
 * await using capsule = await wrenn.capsules.create();
 * ```
 */
export class Wrenn {
  /** Address of the server. */
  readonly url: string;
  readonly capsules: Capsules;
  readonly templates: Templates;
  readonly builds: Builds;
  readonly #http: HttpClient;

  /** @throws WrennError `not_configured` without credentials; `unknown_option`, `invalid_option`. */
  constructor(options: ConnectionOptions = {}) {
    requireKnownOptions("Wrenn", options, connectionOptionNames);
    const settings = connectionSettings(options);
    this.url = settings.url;
    this.#http = new HttpClient(settings);
    this.capsules = new Capsules(this);
    this.templates = new Templates(this.#http);
    this.builds = new Builds(this.#http);
  }

  /** @internal */
  get http(): HttpClient {
    return this.#http;
  }

  /**
   * What happens to capsules, checkpoints, ports, templates and builds of the team. With `follow`, as it happens, until the loop is
   * left: no stored event is lost or repeated over broken connections and restarts of the server.
   *
   * @example
   * ```ts
   * const wrenn = new Wrenn();
   * for await (const event of wrenn.events({ types: ["capsule.*"], limit: 10 })) console.log(event.type, event.resource?.id);
   * ```
   */
  events(options: EventsOptions = {}): AsyncIterable<WrennEvent> {
    return eventsOf(this.#http, { call: "Wrenn.events" }, options);
  }

  /** What the team uses and may use. */
  async quota(options: CallOptions = {}): Promise<Quota> {
    requireCallOptions("Wrenn.quota", options);
    return await readQuota(this.#http, options.signal);
  }

  /** What the server is and can do. */
  async info(options: CallOptions = {}): Promise<ServerInfo> {
    requireCallOptions("Wrenn.info", options);
    return await readServerInfo(this.#http, options.signal);
  }

  /**
   * Calls a route for which the SDK has no method, with the credentials, time limits and repetitions of every call. GET, PUT and
   * DELETE are repeated when no answer arrived.
   *
   * @param path - begins with a slash; values in it are percent-encoded.
   * @returns the JSON of the answer; undefined where it has none.
   * @throws WrennError of the server's refusal, such as `route_not_found`.
   * @example
   * ```ts
   * const wrenn = new Wrenn();
   * const { id } = await wrenn.request<{ id: string }>("POST", "/v1/capsules", { body: { memory_mb: 256 } });
   * await wrenn.request("DELETE", `/v1/capsules/${id}`);
   * ```
   */
  async request<T = unknown>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    requireKnownOptions("Wrenn.request", options, ["query", "body", "signal"]);
    if (!path.startsWith("/")) throw invalidOption("Wrenn.request", "path", "must begin with a slash");
    const { query, body: json, signal } = options;
    return await this.#http.json<T>(method, path, { query, json, signal });
  }

  /** The address alone: credentials are never shown. */
  toJSON(): { readonly url: string } {
    return { url: this.url };
  }
}
