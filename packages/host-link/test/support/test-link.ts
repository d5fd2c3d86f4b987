import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { connectHostAgent, HostAuthority, makeHostRequest, serveHostAgent } from "@wrenn/host-link";
import type { HostLinkServer, LinkCredentials, LinkedHostAgent } from "@wrenn/host-link";
import { ScriptedAgent } from "./scripted-agent.ts";

const shared = { clock: systemClock, logger: silentLogger, random: systemRandom };
export const keys = await HostAuthority.make(systemClock, systemRandom);
export const authority = new HostAuthority(keys, systemClock, systemRandom);

export async function hostCredentials(hostId = "host-1", from = authority): Promise<LinkCredentials> {
  const { keyPem, csrPem } = await makeHostRequest();
  const { certPem, caPem } = await from.issueHost({ hostId, address: "127.0.0.1:1", csrPem });
  return { key: keyPem, cert: certPem, ca: caPem };
}

/** A scripted agent, its server, and a client of it. */
export class TestLink implements AsyncDisposable {
  readonly scripted = new ScriptedAgent();
  readonly #clients: LinkedHostAgent[] = [];
  #server: HostLinkServer | undefined;
  port = 0;

  static async open(): Promise<TestLink> {
    const link = new TestLink();
    await link.serve();
    return link;
  }

  async serve(): Promise<void> {
    this.#server = await serveHostAgent({
      logger: silentLogger,
      agent: this.scripted.agent,
      host: "127.0.0.1",
      port: this.port,
      credentials: await hostCredentials(),
    });
    this.port = this.#server.port;
  }

  get server(): HostLinkServer {
    if (!this.#server) throw new Error("the link is not served");
    return this.#server;
  }

  async client(
    options: {
      readonly hostId?: string;
      readonly credentials?: LinkCredentials;
      readonly port?: number;
    } = {},
  ): Promise<LinkedHostAgent> {
    const credentials = options.credentials ?? (await authority.issueControlPlane());
    const agent = connectHostAgent({
      ...shared,
      hostId: options.hostId ?? "host-1",
      address: `127.0.0.1:${options.port ?? this.port}`,
      credentials: () => credentials,
    });
    this.#clients.push(agent);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#server?.close();
  }
}
