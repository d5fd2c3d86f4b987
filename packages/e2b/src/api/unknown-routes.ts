/** An unknown route that clients have called. */
export interface UnknownRoute {
  readonly method: string;
  /** Without its query; ids are as the client has sent them. */
  readonly path: string;
  /** Name and version of the client that called it last. */
  readonly client: string;
  readonly count: number;
}

const MAX_ROUTES = 100;
const MAX_TEXT = 200;
const CLIENT = /^[\w./ ()+:;,-]+/;

/** Counts calls of routes that this API does not have: an operator sees what clients miss. */
export class UnknownRoutes {
  readonly #routes = new Map<string, UnknownRoute>();

  /** Counts a call. Clients choose the texts: they are cut, and beyond 100 routes nothing new is kept. */
  add(method: string, path: string, client: string): void {
    const shown = path.slice(0, MAX_TEXT).toWellFormed();
    const key = `${method} ${shown}`;
    const known = this.#routes.get(key);
    if (!known && this.#routes.size >= MAX_ROUTES) return;
    this.#routes.set(key, { method, path: shown, client, count: (known?.count ?? 0) + 1 });
  }

  /** Those that were called since the start of the server, the most frequent first. */
  list(): readonly UnknownRoute[] {
    return [...this.#routes.values()].sort((one, other) => other.count - one.count);
  }
}

/** Name and version of a client, from its `User-Agent`. */
export function clientOf(userAgent: string | undefined): string {
  const name = CLIENT.exec(userAgent ?? "")?.[0].slice(0, MAX_TEXT);
  return name === undefined || name === "" ? "a client without a name" : name;
}
