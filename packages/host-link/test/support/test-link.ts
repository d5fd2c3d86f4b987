import { defined, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { connectHostAgent, HostAuthority, makeHostRequest, serveHostAgent } from "@wrenn/host-link";
import type {
  HostLinkServer,
  HostLinkServerOptions,
  LinkCredentials,
  LinkedHostAgent,
} from "@wrenn/host-link";
import type { HostAgent } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";

const shared = { clock: systemClock, logger: silentLogger, random: systemRandom };
export const keys = await HostAuthority.make(systemClock, systemRandom);
export const authority = new HostAuthority(keys, systemClock, systemRandom);

export async function hostCredentials(hostId = "host-1", from = authority): Promise<LinkCredentials> {
  const { keyPem, csrPem } = await makeHostRequest();
  const { certPem, caPem } = await from.issueHost({ hostId, address: "127.0.0.1:1", csrPem });
  return { key: keyPem, cert: certPem, ca: caPem };
}

/** A host agent, its server, and clients of it. */
export class TestLink implements AsyncDisposable {
  /** Unless another agent is served. */
  readonly fake = new FakeHostAgent();
  /** Names of the methods that were called. */
  readonly asked: string[] = [];
  readonly #served: HostAgent;
  readonly #clients: LinkedHostAgent[] = [];
  #server: HostLinkServer | undefined;
  port = 0;

  readonly #strangers: HostLinkServerOptions["strangers"];

  private constructor(agent: HostAgent | undefined, strangers: HostLinkServerOptions["strangers"]) {
    this.#strangers = strangers;
    this.#served = noting(this.asked, agent ?? this.fake);
  }

  static async open(agent?: HostAgent, strangers?: HostLinkServerOptions["strangers"]): Promise<TestLink> {
    const link = new TestLink(agent, strangers);
    await link.serve();
    return link;
  }

  async serve(): Promise<void> {
    this.#server = await serveHostAgent({
      logger: silentLogger,
      agent: this.#served,
      host: "127.0.0.1",
      port: this.port,
      credentials: await hostCredentials(),
      ...defined({ strangers: this.#strangers }),
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
      readonly inputIdleMs?: number;
    } = {},
  ): Promise<LinkedHostAgent> {
    const credentials = options.credentials ?? (await authority.issueControlPlane());
    const agent = connectHostAgent({
      ...shared,
      hostId: options.hostId ?? "host-1",
      address: `127.0.0.1:${options.port ?? this.port}`,
      credentials: () => credentials,
      ...defined({ inputIdleMs: options.inputIdleMs }),
    });
    this.#clients.push(agent);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#server?.close();
    this.fake.close();
  }
}

/** The same agent; the names of its methods are noted when they are called. */
function noting(asked: string[], agent: HostAgent): HostAgent {
  return new Proxy(agent, {
    get: (target, name: keyof HostAgent) => {
      const method: unknown = target[name];
      if (typeof method !== "function") return method;
      return (...args: readonly unknown[]): unknown => {
        asked.push(name);
        return Reflect.apply(method, target, args);
      };
    },
  });
}
