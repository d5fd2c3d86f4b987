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

/** The real guest agent, run on this machine instead of in a guest. */
export class NativeAgent implements AsyncDisposable {
  readonly directory: string;
  readonly #child: ReturnType<typeof spawn>;
  readonly #end = (): void => void this.#child.kill("SIGKILL");

  private constructor(directory: string, cgroup: string | undefined) {
    this.directory = directory;
    const grouping = cgroup === undefined ? ["--no-cgroup"] : ["--cgroup", cgroup];
    this.#child = spawn(program, ["--listen", this.interactive, this.bulk, ...grouping], {
      stdio: "inherit",
    });
    // A test that ends in the middle takes its agent along: it holds the test's output open.
    process.once("exit", this.#end);
  }

  /** @param cgroup - directory of an empty cgroup (version 2) below which the agent puts each process. */
  static async start(cgroup?: string): Promise<NativeAgent> {
    const agent = new NativeAgent(await mkdtemp(join(tmpdir(), "wrenn-agent-")), cgroup);
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
    return await GuestLink.connect(
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener("exit", this.#end);
    this.#end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
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
