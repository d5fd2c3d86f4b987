import type { IncomingMessage, ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import type { ControlPlane } from "@wrenn/control-plane";
import { defined, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { listenEdge, localCertificate, PortProcess, startNameServer } from "@wrenn/edge";
import type { ClientConnections, EdgeTls, PortEdge, PortProcessOptions } from "@wrenn/edge";
import { hasCode } from "@wrenn/system";
import { pathPortsHost } from "./config/path-ports.ts";
import type { ServerConfig } from "./config/server-config.ts";

export interface Listeners extends AsyncDisposable {
  readonly url: string;
  /** With TLS: where, and the certificate that clients have to trust when it is our own. */
  readonly secure?: { readonly url: string; readonly authorityFile?: string };
}

export interface ListenersDeps {
  readonly ports: PortEdge;
  /** Serves connections to ports in a process of their own. */
  readonly portProcess:
    | (Pick<PortProcessOptions, "platform" | "attempts" | "onActivity" | "clock"> & {
        readonly linkKey: Uint8Array;
      })
    | undefined;
  /** Takes what is for no port of a capsule. */
  readonly handlers: ControlPlane["handlers"];
  readonly connections: ClientConnections;
  readonly logger: Logger;
}

/** Opens what clients connect to: HTTP, and when it is wanted TLS and a name server for the domain. */
export async function openListeners(
  config: ServerConfig,
  { ports, portProcess, handlers, connections, logger }: ListenersDeps,
  tlsDirectory: string,
): Promise<Listeners> {
  await using opened = new AsyncDisposableStack();
  const certificate = config.tls && (await certificateOf(config, tlsDirectory));
  const handOver =
    portProcess && createPortProcess(config, portProcess, ports, connections, logger, certificate);
  if (handOver) {
    ports.use(handOver);
    opened.defer(() => handOver.close());
  }
  const shared = {
    edge: ports.edge,
    fallback: {
      // HTTP/2 comes as Node's compatible objects, which the API's framework takes for the ones of HTTP/1.
      request: (incoming: unknown, response: unknown): void =>
        handlers.request(incoming as IncomingMessage, response as ServerResponse),
      upgrade: handlers.upgrade,
    },
    connections,
    ...defined({ handOver, proxies: config.proxies }),
    clock: systemClock,
    random: systemRandom,
  };
  const listen = async (host: string, port: number, tls?: EdgeTls): ReturnType<typeof listenEdge> => {
    try {
      return await listenEdge({ ...shared, host, port, ...defined({ tls }) });
    } catch (error) {
      if (!hasCode(error, "EADDRINUSE")) throw error;
      throw new WrennError("address_in_use", { address: `${host}:${port}` }, { cause: error });
    }
  };
  const plain = await listen(config.host, config.port);
  opened.defer(() => plain.close());
  ports.listensAt("http", plain.port);
  let secure: Listeners["secure"];
  if (config.tls && certificate) {
    const { authorityFile, ...tls } = certificate;
    const server = await listen(config.tls.host, config.tls.port, tls);
    opened.defer(() => server.close());
    ports.listensAt("https", server.port);
    secure = {
      url: `https://${config.domain}:${server.port}`,
      ...defined({ authorityFile }),
    };
  }
  // Behind a proxy, clients are given the addresses that it serves.
  if (config.proxies && config.publicUrl !== undefined) {
    const { protocol, port } = new URL(config.publicUrl);
    const isSecure = protocol === "https:";
    ports.listensAt(isSecure ? "https" : "http", port === "" ? (isSecure ? 443 : 80) : Number(port));
  }
  if (config.dns) {
    const addresses = [config.tls?.host ?? config.host].map(nameOf);
    const server = await startNameServer({ ...config.dns, domains: [config.domain], addresses, logger });
    opened.defer(() => server.close());
  }
  const owned = opened.move();
  return {
    url: `http://${nameOf(config.host)}:${plain.port}`,
    ...defined({ secure }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function createPortProcess(
  config: ServerConfig,
  { linkKey, ...asked }: NonNullable<ListenersDeps["portProcess"]>,
  ports: PortEdge,
  connections: ClientConnections,
  logger: Logger,
  certificate: EdgeTls | undefined,
): PortProcess {
  return new PortProcess({
    ...asked,
    connections,
    logger,
    find: async (capsuleId) => await ports.edge.find(capsuleId),
    settings: () => ({
      domain: config.domain,
      publicUrl: config.publicUrl,
      pathHost: pathPortsHost(config),
      origin: ports.portOrigin(),
      linkKey: Buffer.from(linkKey).toString("base64"),
      tls: certificate && { cert: certificate.cert, key: certificate.key },
      limits: undefined,
    }),
  });
}

async function certificateOf(
  config: ServerConfig,
  directory: string,
): Promise<EdgeTls & { readonly authorityFile?: string }> {
  const files = config.tls?.files;
  if (files) return { cert: await readFile(files.cert, "utf8"), key: await readFile(files.key, "utf8") };
  const { cert, key, authorityFile } = await localCertificate({
    directory,
    domains: [config.domain],
    clock: systemClock,
    random: systemRandom,
  });
  return { cert, key, authorityFile };
}

/** How clients of this machine name an address that is listened on. */
function nameOf(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
