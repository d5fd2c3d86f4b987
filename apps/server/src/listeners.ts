import type { IncomingMessage, ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import type { ControlPlane } from "@wrenn/control-plane";
import { defined, systemClock, systemRandom } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { listenEdge, localCertificate, startNameServer } from "@wrenn/edge";
import type { ClientConnections, EdgeTls, PortEdge } from "@wrenn/edge";
import type { ServerConfig } from "./config/server-config.ts";

export interface Listeners extends AsyncDisposable {
  readonly url: string;
  /** With TLS: where, and the certificate that clients have to trust when it is our own. */
  readonly secure?: { readonly url: string; readonly authorityFile?: string };
}

export interface ListenersDeps {
  readonly ports: PortEdge;
  readonly controlPlane: ControlPlane;
  readonly connections: ClientConnections;
  readonly logger: Logger;
}

/** Opens what clients connect to: HTTP, and when it is wanted TLS and a name server for the domain. */
export async function openListeners(
  config: ServerConfig,
  { ports, controlPlane, connections, logger }: ListenersDeps,
  tlsDirectory: string,
): Promise<Listeners> {
  const { handlers } = controlPlane;
  await using opened = new AsyncDisposableStack();
  const shared = {
    edge: ports.edge,
    fallback: {
      // HTTP/2 comes as Node's compatible objects, which the API's framework takes for the ones of HTTP/1.
      request: (incoming: unknown, response: unknown): void =>
        handlers.request(incoming as IncomingMessage, response as ServerResponse),
      upgrade: handlers.upgrade,
    },
    connections,
    ...defined({ proxies: config.proxies }),
    clock: systemClock,
    random: systemRandom,
  };
  const plain = await listenEdge({ ...shared, host: config.host, port: config.port });
  opened.defer(() => plain.close());
  ports.listensAt("http", plain.port);
  let secure: Listeners["secure"];
  if (config.tls) {
    const { authorityFile, ...tls } = await certificateOf(config, tlsDirectory);
    const server = await listenEdge({ ...shared, host: config.tls.host, port: config.tls.port, tls });
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
