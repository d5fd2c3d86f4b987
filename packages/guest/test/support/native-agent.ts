import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { GuestLink } from "@wrenn/guest";

/** `WRENN_TEST_GUEST_AGENT` names another build of the agent, for instance one with sanitizers. */
const program =
  process.env["WRENN_TEST_GUEST_AGENT"] ??
  join(import.meta.dirname, "../../../../native/guest-agent/build/wrenn-guest-agent");

const END_MS = 10_000;

/** The real guest agent, run on this machine instead of in a guest. */
export class NativeAgent implements AsyncDisposable {
  readonly directory: string;
  readonly #child: ReturnType<typeof spawn>;
  readonly #links: GuestLink[] = [];
  readonly #end = (): void => void this.#child.kill("SIGKILL");

  private constructor(directory: string, cgroup: string | undefined, within: readonly string[]) {
    this.directory = directory;
    const grouping = cgroup === undefined ? ["--no-cgroup"] : ["--cgroup", cgroup];
    const [first, ...rest] = [...within, program, "--listen", this.interactive, this.bulk];
    this.#child = spawn(first, [...rest, ...grouping], { stdio: "inherit" });
    // A test that ends in the middle takes its agent along, which holds the test's output open, and does not wait for it.
    process.once("exit", this.#end);
    this.#child.unref();
  }

  /**
   * @param cgroup - directory of an empty cgroup (version 2) below which the agent puts each process.
   * @param within - a command that executes the command that follows it, in surroundings of its own.
   */
  static async start(cgroup?: string, within: readonly string[] = []): Promise<NativeAgent> {
    const agent = new NativeAgent(await mkdtemp(join(tmpdir(), "wrenn-agent-")), cgroup, within);
    const listening = async (): Promise<boolean> =>
      (await listens(agent.interactive)) && (await listens(agent.bulk));
    await eventually("the guest agent listens", listening, { intervalMs: 2 });
    return agent;
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

  /** A link to the agent; `paths` may lead through a proxy. */
  async connect(
    paths: { readonly interactive: string; readonly bulk: string } = this,
    clock: Clock = systemClock,
    uploadLifetimeMs?: number,
  ): Promise<GuestLink> {
    const link = await GuestLink.connect(
      {
        interactive: paths.interactive,
        bulk: paths.bulk,
        clock,
        logger: silentLogger,
        random: systemRandom,
        ...defined({ uploadLifetimeMs }),
      },
      AbortSignal.timeout(10_000),
    );
    this.#links.push(link);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.ref();
    this.#end();
    try {
      // A test that fails leaves its links, which would look for the agent without end.
      await Promise.allSettled(this.#links.map((link) => link.detach()));
      if (this.#child.exitCode === null && this.#child.signalCode === null)
        await once(this.#child, "exit", { signal: AbortSignal.timeout(END_MS) });
    } finally {
      this.#child.unref();
    }
    process.removeListener("exit", this.#end);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Whether somebody listens: the socket's file is there a moment earlier. Flag and columns as in proc_net(5). */
async function listens(path: string): Promise<boolean> {
  const ACCEPTS = 0x10000;
  const lines = (await readFile("/proc/net/unix", "utf8")).split("\n");
  const columns = lines.map((line) => line.trim().split(/\s+/)).find((fields) => fields[7] === path);
  return (Number.parseInt(columns?.[3] ?? "0", 16) & ACCEPTS) !== 0;
}
