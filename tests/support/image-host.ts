import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { newId, randomHex, silentLogger, systemRandom, WrennError } from "@wrenn/core";
import type { ImagePuller, RunningHostAgent } from "@wrenn/host-agent";
import type { ImportedImage, StartRequest } from "@wrenn/protocol";
import { PLAIN_SETTINGS } from "@wrenn/protocol/testing";
import { startHostAgent } from "@wrenn/server";
import { runCommand } from "@wrenn/system";
import { chosenAccelerator } from "./chosen-accelerator.ts";
import type { MakeTree } from "./image-trees.ts";
import { cacheDirectory } from "./real-machines.ts";

/** What a fresh cache takes over of the common one, as second names of its files. */
const SHARED = ["disk-check", "editions", "frozen", "initramfs", "kernel", "modules", "rootfs"];

/** What a program in a capsule wrote and how it ended. */
export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
}

/** A host agent on real machines with a cache of its own, whose images are trees that tests make. */
export class ImageHost implements AsyncDisposable {
  readonly signal = AbortSignal.timeout(10 * 60_000);
  readonly #root: string;
  readonly #trees: ReadonlyMap<string, MakeTree>;
  #agent: RunningHostAgent | undefined;
  /** How often a tree was made. */
  pulls = 0;

  private constructor(root: string, trees: ReadonlyMap<string, MakeTree>) {
    this.#root = root;
    this.#trees = trees;
  }

  /** @param trees - by the reference of their image. */
  static async start(trees: Readonly<Record<string, MakeTree>>): Promise<ImageHost> {
    const root = await mkdtemp("/tmp/wrenn-images-");
    await chmod(root, 0o755);
    const host = new ImageHost(root, new Map(Object.entries(trees)));
    await mkdir(host.cache);
    const present = new Set(await readdir(cacheDirectory));
    for (const kind of SHARED)
      if (present.has(kind)) await runCommand(["cp", "-al", join(cacheDirectory, kind), host.cache]);
    await host.restart();
    return host;
  }

  get cache(): string {
    return join(this.#root, "cache");
  }

  get agent(): RunningHostAgent {
    if (!this.#agent) throw new Error("the host agent does not run");
    return this.#agent;
  }

  /** Ends the host agent, if it runs, and starts another; capsules that run are taken over. */
  async restart(): Promise<void> {
    await this.#agent?.close("leave");
    this.#agent = undefined;
    const { agent, settle } = await startHostAgent(
      {
        logger: silentLogger,
        connections: { inUse: () => false, drain: async () => {}, end: () => {}, reset: () => {} },
        progress: () => {},
        imagePuller: this.#puller(),
      },
      {
        config: {
          dataDirectory: join(this.#root, "data"),
          cacheDirectory: this.cache,
          host: "127.0.0.1",
          port: 0,
          domain: "localhost",
          databaseUrl: undefined,
          accelerator: await chosenAccelerator(),
          warmMachines: 0,
          parkedMachines: 0,
        },
        version: "0.0.0",
      },
      this.signal,
    );
    settle();
    this.#agent = agent;
  }

  async import(reference: string): Promise<ImportedImage> {
    return await this.agent.importImage({ id: randomHex(systemRandom, 8), reference }, this.signal);
  }

  /** The id of a new capsule of the template. */
  async capsule(image: Pick<ImportedImage, "template" | "diskMib">): Promise<string> {
    const { template, diskMib } = image;
    const id = newId("capsule", systemRandom);
    const sizes = { vcpus: 1, memoryMib: 256, diskMib };
    await this.agent.createCapsule({ id, template, ...sizes, timeoutSec: 0, envs: {} }, this.signal);
    return id;
  }

  async run(
    id: string,
    [cmd = "", ...args]: readonly string[],
    more: Partial<StartRequest> = {},
  ): Promise<Ran> {
    const process = await this.agent
      .processes(id)
      .start({ cmd, args, envs: {}, stdin: false, output: "attached", ...more }, this.signal);
    let stdout = "";
    let exitCode = -1;
    for await (const event of process.output("oldest", this.signal)) {
      if (event.type === "data" && event.stream === "stdout") stdout += Buffer.from(event.bytes).toString();
      if (event.type === "exit") ({ exitCode } = event.exit);
    }
    return { exitCode, stdout };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.close("destroy");
    await rm(this.#root, { recursive: true, force: true });
  }

  #puller(): ImagePuller {
    return {
      findInArchive: async ({ name: image }) => {
        throw new WrennError("image_not_found", { image });
      },
      find: async ({ reference }) => {
        const make = this.#trees.get(reference);
        if (!make) throw new WrennError("image_not_found", { image: reference });
        const digest = `sha256:${createHash("sha256").update(reference).digest("hex")}`;
        return {
          digest,
          pull: async (directory) => {
            this.pulls += 1;
            const tree = join(directory, "tree");
            await mkdir(tree, { mode: 0o755 });
            await make(tree);
            return { tree, digest, settings: PLAIN_SETTINGS };
          },
        };
      },
    };
  }
}
