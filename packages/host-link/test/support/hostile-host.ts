import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { defined, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { connectHostAgent } from "@wrenn/host-link";
import type { HostLinkOptions, LinkCredentials, LinkedHostAgent } from "@wrenn/host-link";
import { authority, hostCredentials } from "./test-link.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A host with a valid certificate that answers requests of control planes with whatever a test wants. */
export class HostileHost implements AsyncDisposable {
  readonly #server;
  readonly #clients: LinkedHostAgent[] = [];
  readonly #sockets = new Set<Duplex>();
  answer: Answer = (_request, response) => response.end();
  upgrade: (socket: Duplex) => void = (socket) => socket.destroy();

  private constructor(credentials: LinkCredentials) {
    this.#server = createServer({ ...credentials, requestCert: true, minVersion: "TLSv1.3" });
    this.#server.on("request", (request, response) => {
      request.resume();
      this.answer(request, response);
    });
    this.#server.on("upgrade", (_request: IncomingMessage, socket: Duplex) => this.upgrade(socket));
    this.#server.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
    });
  }

  static async listen(): Promise<HostileHost> {
    const host = new HostileHost(await hostCredentials());
    await new Promise<void>((resolve) => host.#server.listen(0, "127.0.0.1", resolve));
    return host;
  }

  /** Shows this certificate from now on. */
  show(credentials: LinkCredentials): void {
    this.#server.setSecureContext({ ...credentials, minVersion: "TLSv1.3" });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that the control plane has not closed. */
  get connections(): number {
    return [...this.#sockets].filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  }

  async client(options: Partial<HostLinkOptions> = {}): Promise<LinkedHostAgent> {
    const credentials = await authority.issueControlPlane();
    const agent = connectHostAgent({
      clock: systemClock,
      logger: silentLogger,
      random: systemRandom,
      hostId: "host-1",
      address: `127.0.0.1:${this.port}`,
      credentials: () => credentials,
      ...defined(options),
    });
    this.#clients.push(agent);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with this text, as often as the other side takes it, at most `count` times. @returns how many bytes were taken. */
export function pour(response: ServerResponse, text: string, count: number): () => number {
  let taken = 0;
  const chunk = Buffer.from(text);
  const more = (): void => {
    while (!response.destroyed && taken < count * chunk.length) {
      taken += chunk.length;
      if (!response.write(chunk)) {
        response.once("drain", more);
        return;
      }
    }
    response.end();
  };
  response.on("error", () => undefined);
  more();
  return () => taken;
}
