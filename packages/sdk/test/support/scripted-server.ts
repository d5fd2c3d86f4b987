import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { connectionSettings } from "../../src/transport/connection.ts";
import type { ConnectionOptions } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";

export type Respond = (request: IncomingMessage, response: ServerResponse) => unknown;

/** An HTTP server whose answers a test writes. */
export class ScriptedServer {
  /** `METHOD path` of each request, in their order. */
  readonly requests: string[] = [];
  readonly url: string;
  respond: Respond = (_request, response) => response.end("{}");
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push(`${request.method} ${request.url}`);
      void this.respond(request, response);
    });
  }

  static async start(): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedServer(server);
  }

  http(options: ConnectionOptions = {}): HttpClient {
    return new HttpClient(connectionSettings({ url: this.url, apiKey: "key", ...options }));
  }

  close(): void {
    this.#server.close().closeAllConnections();
  }
}

/** An error as the server reports it. */
export function refuse(
  response: ServerResponse,
  status: number,
  reason: string,
  headers: Record<string, string> = {},
): void {
  const error = { code: "refused", reason, message: `refused: ${reason}`, request_id: "r" };
  response.writeHead(status, headers).end(JSON.stringify({ error }));
}

/** The body of a request; undefined when it breaks off, whose bytes are then in `kept`. */
export async function bodyOf(request: IncomingMessage, kept: Uint8Array[] = []): Promise<Buffer | undefined> {
  try {
    for await (const chunk of request) kept.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(kept);
}
