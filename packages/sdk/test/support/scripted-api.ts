import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { Wrenn } from "../../src/client.ts";
import type { ConnectionOptions } from "../../src/transport/connection.ts";

/** A request as it arrived. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** JSON; undefined without a JSON body. */
  readonly body: unknown;
  readonly raw: Buffer<ArrayBuffer>;
}

/** A status and a JSON body; `headers` besides. Without one the script has answered itself. */
type ScriptedAnswer =
  | { readonly status?: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  | undefined;

type Script = (call: Call, response: ServerResponse) => ScriptedAnswer | Promise<ScriptedAnswer>;

/** A server whose routes answer what a test says, and which remembers what was asked. */
export class ScriptedApi implements AsyncDisposable {
  readonly calls: Call[] = [];
  readonly #scripts = new Map<string, Script>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<ScriptedApi> {
    const api = new ScriptedApi();
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A client of this server. */
  client(options: ConnectionOptions = {}): Wrenn {
    return new Wrenn({ url: this.url, apiKey: "wrn_secret", ...options });
  }

  /** Answers a route, `POST /v1/capsules`, from now on. */
  on(route: string, script: Script | ScriptedAnswer): this {
    this.#scripts.set(route, typeof script === "function" ? script : () => script);
    return this;
  }

  /** Method and path of each request, with its query. */
  get asked(): readonly string[] {
    return this.calls.map(
      ({ method, path, query }) => `${method} ${path}${query.size === 0 ? "" : `?${query.toString()}`}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(request.url ?? "", "http://x");
    const isJson = request.headers["content-type"] === "application/json";
    // A client may break its body off.
    const raw = await buffer(request).catch(() => undefined);
    if (raw === undefined) return;
    const body = isJson ? (JSON.parse(raw.toString()) as unknown) : undefined;
    const { method = "", headers } = request;
    const call = { method, path, query, headers, body, raw };
    this.calls.push(call);
    const script = this.#scripts.get(`${method} ${path}`) ?? (() => refusal(404, "route_not_found"));
    const answer = await script(call, response);
    if (!answer) return;
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
  }
}

/** An error as the server sends it. */
export function refusal(status: number, code: string, reason = code): NonNullable<ScriptedAnswer> {
  return {
    status,
    body: { error: { code, reason, message: `no: ${reason}`, remedy: "Do.", request_id: "req-1" } },
  };
}

const ID = "cl-3qmt6wazi7hon5veywo28qtnq";

/** A capsule on the wire. */
export function wireCapsule(parts: object = {}) {
  return {
    id: ID,
    name: "web",
    status: "running",
    template: "minimal",
    vcpus: 1,
    memory_mb: 512,
    timeout_sec: 60,
    on_lifetime_end: "pause",
    auto_resume: false,
    disk_mb: 5120,
    created_at: "2026-03-01T09:30:00Z",
    last_updated: "2026-03-01T09:31:00Z",
    metadata: { stage: "test" },
    ...parts,
  };
}
