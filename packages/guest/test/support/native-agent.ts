import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { GuestSession } from "@wrenn/guest";

/** `WRENN_TEST_GUEST_AGENT` names another build of the agent, for instance one with sanitizers. */
const program =
  process.env["WRENN_TEST_GUEST_AGENT"] ??
  join(import.meta.dirname, "../../../../native/guest-agent/build/wrenn-guest-agent");

/** The real guest agent, run on this machine instead of in a guest. */
export class NativeAgent implements AsyncDisposable {
  readonly directory: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(directory: string, cgroup: string | undefined) {
    this.directory = directory;
    const grouping = cgroup === undefined ? ["--no-cgroup"] : ["--cgroup", cgroup];
    this.#child = spawn(program, ["--listen", this.interactive, this.bulk, ...grouping], {
      stdio: "inherit",
    });
  }

  /** @param cgroup - directory of an empty cgroup (version 2) below which the agent puts each process. */
  static async start(cgroup?: string): Promise<NativeAgent> {
    const agent = new NativeAgent(await mkdtemp(join(tmpdir(), "wrenn-agent-")), cgroup);
    for (;;) {
      const listening = await access(agent.bulk).then(
        () => true,
        () => false,
      );
      if (listening) return agent;
      await systemClock.sleep(2);
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get interactive(): string {
    return join(this.directory, "a.sock");
  }

  get bulk(): string {
    return join(this.directory, "b.sock");
  }

  /** A session with the agent; `paths` may lead through a proxy. */
  async connect(
    paths: { readonly interactive: string; readonly bulk: string } = this,
  ): Promise<GuestSession> {
    return await GuestSession.connect(
      {
        interactive: paths.interactive,
        bulk: paths.bulk,
        clock: systemClock,
        logger: silentLogger,
        random: systemRandom,
      },
      AbortSignal.timeout(10_000),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    await rm(this.directory, { recursive: true, force: true });
  }
}
