import diagnostics from "node:diagnostics_channel";
import type { FastifyInstance, RouteOptions } from "fastify";

/** A route as the server registered it. */
export interface ServedRoute {
  /** Serves pages and their files, not the API. */
  readonly isPage?: boolean;
  readonly method: string;
  readonly url: string;
  /** JSON schemas of what it takes, as far as it says. */
  readonly schema: {
    readonly body?: unknown;
    readonly querystring?: unknown;
    readonly params?: unknown;
    readonly consumes?: readonly string[];
  };
}

/** Every route of the servers that are made while this is open, also of those that the API's description leaves out. */
export class RouteList implements Disposable {
  readonly #routes = new Map<string, ServedRoute>();
  readonly #begun = (message: unknown): void => {
    const { fastify } = message as { readonly fastify: FastifyInstance };
    fastify.addHook("onRoute", (route) => this.#add(route));
  };

  constructor() {
    diagnostics.subscribe("fastify.initialization", this.#begun);
  }

  all(): readonly ServedRoute[] {
    return [...this.#routes.values()];
  }

  [Symbol.dispose](): void {
    diagnostics.unsubscribe("fastify.initialization", this.#begun);
  }

  #add({ method, url, schema, config }: RouteOptions): void {
    for (const verb of [method].flat())
      this.#routes.set(`${verb} ${url}`, {
        method: verb,
        url,
        schema: schema ?? {},
        isPage: config?.isPage === true,
      });
  }
}
