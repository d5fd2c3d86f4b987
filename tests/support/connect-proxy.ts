import { once } from "node:events";
import { createServer, request as startRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

export interface ConnectProxyOptions {
  /** Addresses of names that only the proxy knows, as `name:port` to `host:port`. What goes there went through the proxy. */
  readonly names?: Readonly<Record<string, string>>;
  /** `user:password` that clients must show (RFC 7617). Default: none. */
  readonly credentials?: string;
  /** Certificate and key, PEM: clients speak TLS to the proxy itself. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Path of a socket to listen at; default: a free port of 127.0.0.1. */
  readonly socket?: string;
}

/** One request to the proxy. */
interface ProxyRequest {
  /** `CONNECT` for a tunnel; another method for a request in absolute form. */
  readonly method: string;
  /** `host:port`. */
  readonly target: string;
  readonly status: number;
}

/** An HTTP proxy as companies have them: tunnels by CONNECT, and plain requests in absolute form (RFC 9112 §3.2.2). */
export class ConnectProxy implements AsyncDisposable {
  /** For `HTTPS_PROXY`, with credentials where it asks for them; port 0 at a socket. */
  readonly url: string;
  readonly requests: ProxyRequest[] = [];
  readonly #options: ConnectProxyOptions;
  readonly #server: Server;
  readonly #tunnels = new Set<Duplex>();

  private constructor(options: ConnectProxyOptions, server: Server, port: number) {
    const { tls, credentials } = options;
    this.#options = options;
    this.#server = server;
    this.url = `${tls ? "https" : "http"}://${credentials === undefined ? "" : `${credentials}@`}127.0.0.1:${port}`;
  }

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = options.tls ? createTlsServer(options.tls) : createServer();
    if (options.socket === undefined) server.listen(0, "127.0.0.1");
    else server.listen(options.socket);
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const proxy = new ConnectProxy(options, server, port);
    server.on("connect", (request, client, head) => void proxy.#tunnel(request, client, head));
    server.on("request", (request, response) => proxy.#forward(request, response));
    return proxy;
  }

  /** Targets of tunnels that were opened, in their order. */
  get tunnels(): readonly string[] {
    return this.requests
      .filter(({ method, status }) => method === "CONNECT" && status === 200)
      .map(({ target }) => target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tunnel of this.#tunnels) tunnel.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    const target = request.url ?? "";
    client.on("error", () => {});
    const refuse = (status: string, headers = ""): void => {
      this.#log(request, target, Number.parseInt(status, 10));
      client.end(`HTTP/1.1 ${status}\r\n${headers}Connection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    if (!this.#mayUse(request)) {
      refuse("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="proxy"\r\n');
      return;
    }
    const [host, port] = this.#addressOf(target);
    const server = connect({ host, port, noDelay: true });
    const connected = await once(server, "connect").then(
      () => true,
      () => false,
    );
    server.on("error", () => client.destroy());
    if (!connected) {
      refuse("502 Bad Gateway");
      return;
    }
    this.#log(request, target, 200);
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) server.write(head);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#tunnels.add(one);
      one.pipe(other);
      one.once("close", () => {
        this.#tunnels.delete(one);
        other.destroy();
      });
    }
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const url = URL.parse(request.url ?? "");
    if (url === null || !this.#mayUse(request)) {
      const status = url === null ? 400 : 407;
      this.#log(request, url?.host ?? "", status);
      response.writeHead(status).end();
      return;
    }
    const target = `${url.hostname}:${url.port === "" ? "80" : url.port}`;
    const [host, port] = this.#addressOf(target);
    const { "proxy-authorization": _, "proxy-connection": __, ...headers } = request.headers;
    const upstream = startRequest({
      host,
      port,
      path: url.pathname + url.search,
      method: request.method,
      headers,
    });
    upstream.once("response", (answer) => {
      this.#log(request, target, answer.statusCode ?? 0);
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.once("error", () => response.destroy());
    });
    upstream.once("error", () => {
      if (response.headersSent) response.destroy();
      else {
        this.#log(request, target, 502);
        response.writeHead(502).end();
      }
    });
    response.once("close", () => upstream.destroy());
    request.pipe(upstream);
  }

  #log(request: IncomingMessage, target: string, status: number): void {
    this.requests.push({ method: request.method ?? "", target, status });
  }

  #mayUse(request: IncomingMessage): boolean {
    const { credentials } = this.#options;
    if (credentials === undefined) return true;
    return request.headers["proxy-authorization"] === `Basic ${Buffer.from(credentials).toString("base64")}`;
  }

  #addressOf(target: string): readonly [host: string, port: number] {
    const address = this.#options.names?.[target] ?? target;
    const colon = address.lastIndexOf(":");
    return [address.slice(0, colon).replaceAll(/^\[|\]$/g, ""), Number(address.slice(colon + 1))];
  }
}
