import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import { NativeAgent } from "@wrenn/guest/testing";
import { connectHostAgent, HostAuthority, makeHostRequest, serveHostAgent } from "@wrenn/host-link";
import type { CapsuleProcesses } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";

/** A fake host whose processes are real ones: the guest agent runs on this machine. */
export class NativeHostAgent extends FakeHostAgent implements AsyncDisposable {
  readonly #agent: NativeAgent;
  readonly #link: GuestLink;

  private constructor(agent: NativeAgent, link: GuestLink) {
    super();
    this.#agent = agent;
    this.#link = link;
  }

  static async start(): Promise<NativeHostAgent> {
    const agent = await NativeAgent.start();
    return new NativeHostAgent(agent, await agent.connect());
  }

  override processes(_id: string): CapsuleProcesses {
    return this.#link.processes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.detach();
    await this.#agent[Symbol.asyncDispose]();
    this.close();
  }
}

/** The same host as a control plane on another machine uses it. */
export class LinkedNativeHostAgent extends FakeHostAgent implements AsyncDisposable {
  readonly #processes: (id: string) => CapsuleProcesses;
  readonly #release: AsyncDisposableStack;

  private constructor(processes: (id: string) => CapsuleProcesses, release: AsyncDisposableStack) {
    super();
    this.#processes = processes;
    this.#release = release;
  }

  static async start(): Promise<LinkedNativeHostAgent> {
    await using release = new AsyncDisposableStack();
    const agent = release.use(await NativeHostAgent.start());
    const shared = { clock: systemClock, logger: silentLogger, random: systemRandom };
    const authority = new HostAuthority(
      await HostAuthority.make(systemClock, systemRandom),
      systemClock,
      systemRandom,
    );
    const { keyPem, csrPem } = await makeHostRequest();
    const issued = await authority.issueHost({ hostId: "host-1", address: "127.0.0.1:1", csrPem });
    const server = await serveHostAgent({
      ...shared,
      agent,
      host: "127.0.0.1",
      port: 0,
      credentials: { key: keyPem, cert: issued.certPem, ca: issued.caPem },
    });
    release.defer(() => server.close());
    const credentials = await authority.issueControlPlane();
    const client = connectHostAgent({
      ...shared,
      hostId: "host-1",
      address: `127.0.0.1:${server.port}`,
      credentials: () => credentials,
    });
    release.defer(() => client.close());
    return new LinkedNativeHostAgent((id) => client.processes(id), release.move());
  }

  override processes(id: string): CapsuleProcesses {
    return this.#processes(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
    this.close();
  }
}
