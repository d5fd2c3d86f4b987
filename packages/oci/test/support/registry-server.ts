import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BuiltBlob, BuiltImage } from "./built-image.ts";
import { sendBlob } from "./send-blob.ts";
import type { BlobFault } from "./send-blob.ts";

/** How the registry knows its clients. */
export type RegistryAccess =
  | { readonly kind: "open" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | {
      readonly kind: "token";
      /** Who may have a token; undefined: everyone. */
      readonly username?: string;
      readonly password?: string;
      /** How long tokens are good, by the registry's clock. */
      readonly lifeSec?: number;
    };

export interface RegistryServerOptions {
  readonly access?: RegistryAccess;
  /** Whether blobs are at another host, which refuses requests with an Authorization as object storage does. */
  readonly blobHost?: boolean;
  /** Milliseconds, for the end of tokens. Default: the machine's. */
  readonly now?: () => number;
  /** An address to listen at again. Default: a free port of 127.0.0.1. */
  readonly port?: number;
}

/** A request that was served, in the order of arrival. */
export interface ServedRequest {
  readonly host: "registry" | "tokens" | "blobs";
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly status: number;
}

/** What goes wrong with the next requests that fit. */
export interface RegistryFault {
  /** A part of the path, such as a digest or `manifests/`. */
  readonly path: string;
  /** How many requests; default: 1. */
  readonly times?: number;
  readonly fault: BlobFault;
}

/** A small OCI registry on this machine, which the tests fill and let fail. */
export class RegistryServer implements AsyncDisposable {
  readonly requests: ServedRequest[] = [];
  readonly #options: RegistryServerOptions;
  readonly #blobs = new Map<string, BuiltBlob>();
  readonly #tags = new Map<string, string>();
  readonly #faults: { path: string; times: number; fault: BlobFault }[] = [];
  readonly #tokens = new Map<string, number>();
  readonly #signature = randomBytes(8).toString("hex");
  readonly #servers: Server[] = [];
  #port = 0;
  #blobPort = 0;

  private constructor(options: RegistryServerOptions) {
    this.#options = options;
  }

  static async start(options: RegistryServerOptions = {}): Promise<RegistryServer> {
    const registry = new RegistryServer(options);
    registry.#port = await registry.#listen(
      (request, response) => registry.#serve(request, response),
      options.port,
    );
    registry.#blobPort = await registry.#listen((request, response) =>
      registry.#serveStored(request, response),
    );
    return registry;
  }

  /** Host and port, as references have it. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** All hosts that a pull reaches. */
  get hosts(): readonly string[] {
    return [this.host, `127.0.0.1:${this.#blobPort}`];
  }

  /** Makes an image available, and by a tag where one is given. */
  push(repository: string, image: BuiltImage, tag?: string): void {
    for (const blob of image.blobs) this.#blobs.set(blob.digest, blob);
    if (tag !== undefined) this.#tags.set(`${repository}:${tag}`, image.manifest.digest);
  }

  /** Lets the next requests that fit fail. Faults are used up in the order in which they were added. */
  fail({ path, times = 1, fault }: RegistryFault): void {
    this.#faults.push({ path, times, fault });
  }

  /** Tokens end now. */
  endTokens(): void {
    this.#tokens.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #listen(
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    port = 0,
  ): Promise<number> {
    const server = createServer(serve);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", `http://${this.host}`);
    if (url.pathname === "/token") return this.#serveToken(url, request, response);
    this.#record("registry", url.pathname, request, response);
    const [, repository = "", kind = "", name = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (!this.#mayPull(request)) return this.#challenge(response);
    if (kind === "blobs" && this.#options.blobHost === true) {
      const location = `http://127.0.0.1:${this.#blobPort}/${name}?signature=${this.#signature}`;
      response.writeHead(307, { location }).end();
      return;
    }
    const digest = name.includes(":") ? name : this.#tags.get(`${repository}:${name}`);
    this.#answer(digest, url.pathname, request, response);
  }

  #serveStored(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://blobs");
    this.#record("blobs", url.pathname, request, response);
    if (request.headers.authorization !== undefined) {
      response.writeHead(400).end("only one way of authorization is allowed");
      return;
    }
    if (url.searchParams.get("signature") !== this.#signature) {
      response.writeHead(403).end();
      return;
    }
    this.#answer(url.pathname.slice(1), url.pathname, request, response);
  }

  #answer(
    digest: string | undefined,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const blob = digest === undefined ? undefined : this.#blobs.get(digest);
    if (blob === undefined) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"errors":[]}');
      return;
    }
    const headers = path.includes("/manifests/")
      ? { "content-type": blob.mediaType, "docker-content-digest": blob.digest }
      : { "content-type": "application/octet-stream" };
    sendBlob(blob.bytes, headers, this.#faultFor(path), request, response);
  }

  #serveToken(url: URL, request: IncomingMessage, response: ServerResponse): void {
    this.#record("tokens", url.pathname, request, response);
    const { access } = this.#options;
    if (access?.kind !== "token") return void response.writeHead(404).end();
    const { username, password, lifeSec = 300 } = access;
    if (username !== undefined && request.headers.authorization !== basic(username, password ?? ""))
      return void response.writeHead(401).end();
    if (!(url.searchParams.get("scope") ?? "").endsWith(":pull")) return void response.writeHead(400).end();
    const token = randomBytes(12).toString("hex");
    this.#tokens.set(token, this.#now() + lifeSec * 1000);
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ token, expires_in: lifeSec }));
  }

  #mayPull({ headers: { authorization = "" } }: IncomingMessage): boolean {
    const { access = { kind: "open" } } = this.#options;
    if (access.kind === "open") return true;
    if (access.kind === "basic") return authorization === basic(access.username, access.password);
    return (this.#tokens.get(authorization.replace("Bearer ", "")) ?? 0) > this.#now();
  }

  #challenge(response: ServerResponse): void {
    const bearer = `Bearer realm="http://${this.host}/token",service="test registry",scope="repository:*:pull,push"`;
    const isToken = this.#options.access?.kind === "token";
    response.writeHead(401, { "www-authenticate": isToken ? bearer : 'Basic realm="test"' }).end();
  }

  #faultFor(path: string): BlobFault | undefined {
    const fault = this.#faults.find((one) => one.times > 0 && path.includes(one.path));
    if (fault) fault.times -= 1;
    return fault?.fault;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #record(
    host: ServedRequest["host"],
    path: string,
    { headers: { authorization, range } }: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.requests.push({
      host,
      path,
      authorization,
      range,
      // It is known when the request is answered.
      get status() {
        return response.statusCode;
      },
    });
  }
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
