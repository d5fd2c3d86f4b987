import { createSocket } from "node:dgram";
import type { RemoteInfo } from "node:dgram";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { answerQuery } from "./answer-query.ts";

export interface NameServerOptions {
  readonly host: string;
  /** 53 for resolvers of operating systems; 0 for any free port. */
  readonly port: number;
  /** Domains whose every name, and themselves, get the addresses. */
  readonly domains: readonly string[];
  /** IPv4 or IPv6 addresses of the edge. */
  readonly addresses: readonly string[];
  readonly logger: Logger;
}

export interface NameServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers DNS queries over UDP for the edge's domains and refuses all others: it is no resolver, so nobody can use it
 * to amplify traffic. Answers always fit into one packet.
 *
 * @throws the operating system's error when the address cannot be used.
 */
export async function startNameServer(options: NameServerOptions): Promise<NameServer> {
  const { logger } = options;
  const socket = createSocket(options.host.includes(":") ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind(options.port, options.host, resolve);
  await promise;
  socket.removeListener("error", reject);
  socket.on("error", (error) => logger.warn("dns.socket", { problem: problemOf(error) }));
  socket.on("message", (query: Buffer, from: RemoteInfo) => {
    const answer = answerQuery(query, options);
    if (answer) socket.send(answer, from.port, from.address);
  });
  return {
    port: socket.address().port,
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.close(resolve);
      await promise;
    },
  };
}
