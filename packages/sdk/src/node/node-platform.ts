import { isIP } from "node:net";
import type { Socket } from "node:net";
import type { Dispatcher } from "undici";
import { extendPlatform, platform } from "../transport/platform.ts";
import type { NetworkSettings, Platform } from "../transport/platform.ts";
import { authoritiesWith } from "./authorities.ts";
import { proxyFor } from "./proxy-environment.ts";

const { env } = platform();

/** How a server is reached other than directly with the authorities that Node.js trusts. */
interface Route {
  readonly proxy: string | undefined;
  /** By CONNECT. Proxies often allow it for TLS only, so plain requests do without; WebSockets cannot. */
  readonly isTunnel: boolean;
  readonly caFile: string | undefined;
}

const DIRECT: Route = { proxy: undefined, isTunnel: false, caFile: undefined };

/** Connections of WebSockets. */
const connections = new WeakMap<WebSocket, () => void>();

/** The options of undici's constructor. */
type NodeWebSocket = new (
  url: string,
  options: {
    readonly protocols: string[];
    readonly headers: Readonly<Record<string, string>>;
    readonly dispatcher: Dispatcher;
  },
) => WebSocket;

const nodePlatform: Pick<Platform, "fetch" | "openWebSocket" | "packContext" | "terminate"> = {
  fetch: async (settings, { isPatient }) => {
    // The global dispatcher has time limits.
    const route = routeTo(settings) ?? (isPatient ? DIRECT : undefined);
    if (!route) return (input, init) => fetch(input, init);
    const [{ fetch: send }, dispatcher] = await Promise.all([import("undici"), dispatcherOf(route)]);
    return ((input: string, init: object) => send(input, { ...init, dispatcher })) as unknown as typeof fetch;
  },
  openWebSocket: async (url, protocols, headers, settings) => {
    const { WebSocket: constructor } = await import("undici");
    // That of undici, also where Node.js has one: its connection is known, and ends also when the server does not answer any longer.
    let connection: Socket | undefined;
    const dispatcher = await makeDispatcher(
      { ...(routeTo(settings) ?? DIRECT), isTunnel: true },
      (socket) => {
        connection = socket;
      },
    );
    const options = { protocols: [...protocols], headers, dispatcher };
    const webSocket = new (constructor as unknown as NodeWebSocket)(url, options);
    connections.set(webSocket, () => connection?.destroy());
    return webSocket;
  },
  packContext: async (request) => await (await import("./pack-context.ts")).packContext(request),
  terminate: (webSocket) => connections.get(webSocket)?.(),
};

/** Proxies, certificate authorities and WebSockets with headers, as Node.js does them. */
export function useNodePlatform(): void {
  extendPlatform(nodePlatform);
}

/** Undefined where the defaults of the runtime do: undici is then not loaded for requests. */
function routeTo({ url, caFile }: NetworkSettings): Route | undefined {
  const server = new URL(url);
  const proxy = proxyFor(server, env);
  const isTls = server.protocol === "https:" || proxy?.startsWith("https:") === true;
  const used = isTls && caFile !== "" ? caFile : undefined;
  return proxy === undefined && used === undefined
    ? undefined
    : { proxy, isTunnel: server.protocol === "https:", caFile: used };
}

/** Connections of this process are shared by all that take the same route. Idle ones do not keep it alive. */
const dispatchers = new Map<string, Promise<Dispatcher>>();

function dispatcherOf(route: Route): Promise<Dispatcher> {
  const key = JSON.stringify([route.proxy, route.isTunnel, route.caFile]);
  const known = dispatchers.get(key);
  if (known) return known;
  const made = makeDispatcher(route);
  dispatchers.set(key, made);
  // A file that cannot be read today may be there at the next call.
  made.catch(() => dispatchers.delete(key));
  return made;
}

/** @param onConnection - is given each connection, to the proxy where there is one. */
async function makeDispatcher(
  { proxy, isTunnel, caFile }: Route,
  onConnection: (socket: Socket) => void = () => undefined,
): Promise<Dispatcher> {
  const { Agent, buildConnector, Pool, ProxyAgent } = await import("undici");
  const tls = caFile === undefined ? {} : { ca: await authoritiesWith(caFile) };
  // The time limits of the SDK count.
  const limits = { headersTimeout: 0, bodyTimeout: 0 };
  const directly = buildConnector(tls);
  const connector: typeof directly = (options, callback) =>
    directly(options, (...[error, socket]) => {
      if (error) return callback(error, null);
      onConnection(socket);
      callback(null, socket);
    });
  if (proxy === undefined) return new Agent({ ...limits, connect: connector });
  const { host, hostname } = new URL(proxy);
  const connectToProxy: typeof connector = ({ servername, ...options }, callback) =>
    // TLS has no server name for an address, which undici passes for one.
    connector(
      servername === undefined || isAddress(hostname) ? options : { ...options, servername },
      callback,
    );

  /** Connections to the proxy. */
  class ProxyPool extends Pool {
    override async connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> {
      const answer = await super.connect(options);
      if (answer.statusCode === 200) return answer;
      // What undici makes of another status looks like an abort.
      answer.socket.on("error", () => undefined).destroy();
      throw new Error(`the proxy ${host} answered with status ${answer.statusCode}`);
    }
  }
  return new ProxyAgent({
    ...limits,
    uri: proxy,
    proxyTunnel: isTunnel,
    requestTls: tls,
    proxyTls: tls,
    clientFactory: (origin) => new ProxyPool(origin, { connect: connectToProxy }),
  });
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, "$1")) > 0;
}
