import { errorOfAnswer } from "../errors/error-of-answer.ts";

/** What of a connection's settings its transport depends on. */
export interface NetworkSettings {
  /** Address of the server. */
  readonly url: string;
  readonly caFile: string | undefined;
}

/** Node.js gives up after this time. Bun and Deno wait. */
export const FETCH_LIMIT_MS = 300_000;

/** What a request needs of its runtime. */
export interface FetchUse {
  /** The answer may take longer than {@link FETCH_LIMIT_MS}. */
  readonly isPatient: boolean;
  /** The request must not be sent twice: what it asks for may have been carried out when its connection broke. */
  readonly isOnce: boolean;
}

/** A directory and the recipe that copies files of it. */
export interface BuildContextRequest {
  readonly directory: string;
  /** Text of the recipe. */
  readonly recipe: string;
  /** Name of the recipe in messages. */
  readonly recipeFile: string;
  /** Path of the recipe; undefined where it is in no file. */
  readonly recipePath: string | undefined;
  readonly args: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** The files that the steps of a recipe copy. */
export interface PackedBuildContext {
  /** By the numbers of the steps. */
  readonly sources: Readonly<
    Record<
      string,
      { readonly digest: string; readonly isSingle: boolean; readonly archives: readonly string[] }
    >
  >;
  readonly problems: readonly {
    readonly path: string;
    readonly kind: "dangling-link" | "outside-link" | "unreadable" | "special-file" | "name-not-utf8";
    readonly message: string;
  }[];
  /** Files, links and directories that are sent. */
  readonly entries: number;
  /** Bytes of the archive. */
  readonly size: number;
  /** Gives the archive, a tar, from its beginning. Undefined when no step copies files. */
  readonly archive: (() => AsyncIterable<Uint8Array>) | undefined;
}

/** How one runtime reaches servers. The default works wherever `fetch` and `WebSocket` exist. */
export interface Platform {
  /** A variable of the environment; undefined where there is no environment. */
  readonly env: (name: string) => string | undefined;
  /** `fetch` through the proxies and with the certificate authorities of the settings. */
  readonly fetch: (settings: NetworkSettings, use: FetchUse) => Promise<typeof fetch>;
  /** Opens a WebSocket that sends `headers` with its upgrade. Undefined where the runtime cannot set headers: browsers. */
  readonly openWebSocket?: (
    url: string,
    protocols: readonly string[],
    headers: Readonly<Record<string, string>>,
    settings: NetworkSettings,
  ) => Promise<WebSocket>;
  /** Reads the files that a recipe copies. Undefined where there is no file system. */
  readonly packContext?: (request: BuildContextRequest) => Promise<PackedBuildContext>;
  /** Ends the connection of a WebSocket whose server does not answer its Close. Undefined where the runtime cannot. */
  readonly terminate?: (socket: WebSocket) => void;
}

interface Globals {
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
  readonly Deno?: {
    readonly env: { readonly get: (name: string) => string | undefined };
    readonly createHttpClient?: (options: { readonly poolMaxIdlePerHost: number }) => object;
  };
  readonly Bun?: unknown;
  readonly WebSocketPair?: unknown;
}

const globals = globalThis as Globals;

/** Bun and Deno take headers as an extension of the standard's constructor. */
type HeaderedWebSocket = new (
  url: string,
  options: { readonly protocols: string[]; readonly headers: Readonly<Record<string, string>> },
) => WebSocket;

const neutral: Platform = {
  env: (name) => {
    try {
      return globals.Deno?.env.get(name) ?? globals.process?.env?.[name];
    } catch {
      // Deno without the permission to read the environment.
      return undefined;
    }
  },
  // Looked up at each call, so that a replaced `fetch` is used; bound, as workers require.
  fetch: async (_settings, { isOnce }) =>
    isOnce ? (input, init) => fetch(input, { ...init, ...sentOnce() }) : (input, init) => fetch(input, init),
  ...(globals.Bun !== undefined || globals.Deno !== undefined
    ? {
        openWebSocket: async (url, protocols, headers) =>
          new (WebSocket as unknown as HeaderedWebSocket)(url, { protocols: [...protocols], headers }),
      }
    : {}),
  ...(globals.Bun === undefined
    ? {}
    : { terminate: (socket) => (socket as WebSocket & { terminate: () => void }).terminate() }),
  ...(globals.WebSocketPair === undefined ? {} : { openWebSocket: openByFetch }),
};

let onceClient: object | undefined;

/** Deno and Bun send a request again when a kept connection breaks, Deno even a POST: these go over connections of their own. */
function sentOnce(): object {
  if (globals.Bun !== undefined) return { keepalive: false };
  if (globals.Deno?.createHttpClient === undefined) return {};
  onceClient ??= globals.Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  return { client: onceClient };
}

/** Workers open WebSockets by `fetch`, which takes headers (https://developers.cloudflare.com/workers/runtime-apis/websockets/). */
async function openByFetch(
  url: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<WebSocket> {
  const answer = await fetch(url.replace(/^ws/, "http"), {
    headers: {
      ...headers,
      upgrade: "websocket",
      ...(protocols.length > 0 ? { "sec-websocket-protocol": protocols.join(", ") } : {}),
    },
  });
  const { webSocket } = answer as Response & { webSocket?: (WebSocket & { accept: () => void }) | null };
  if (!webSocket) throw errorOfAnswer(answer, await answer.text(), `WebSocket ${new URL(url).pathname}`);
  webSocket.accept();
  return webSocket;
}

let current: Platform = neutral;

/** The platform of this process. */
export function platform(): Platform {
  return current;
}

/** Replaces parts of the platform; entries of runtimes do so when they are loaded. */
export function extendPlatform(parts: Partial<Platform>): void {
  current = { ...current, ...parts };
}
