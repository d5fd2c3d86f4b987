import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";

export interface CutPlan {
  /** Bytes towards the host after which the connection is cut; the next connection takes the next number. */
  readonly cuts: readonly number[];
  /** Bytes of the old connection that arrive first on the new one, as a virtio port has them. */
  readonly stale: number;
}

/** Stands between link and agent, and cuts connections wherever the plan says. */
export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: string;
  readonly #cuts: number[];
  readonly #stale: number;
  readonly #sockets = new Set<Socket>();
  #leftOver = Buffer.alloc(0);
  cutCount = 0;

  private constructor(target: string, plan: CutPlan) {
    this.#target = target;
    this.#cuts = [...plan.cuts];
    this.#stale = plan.stale;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async listen(path: string, target: string, plan: CutPlan): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target, plan);
    await new Promise<void>((resolve) => proxy.#server.listen(path, resolve));
    return proxy;
  }

  #serve(client: Socket): void {
    const agent = connect(this.#target);
    let left = this.#cuts.shift() ?? Number.POSITIVE_INFINITY;
    const close = (): void => {
      client.destroy();
      agent.destroy();
    };
    for (const socket of [client, agent]) {
      this.#sockets.add(socket);
      socket.on("error", close);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        close();
      });
    }
    if (this.#leftOver.length > 0) client.write(this.#leftOver);
    client.on("data", (bytes) => {
      if (!agent.write(bytes)) client.pause();
    });
    agent.on("drain", () => client.resume());
    agent.on("data", (bytes: Buffer) => {
      const passed = bytes.subarray(0, Math.min(bytes.length, left));
      left -= passed.length;
      if (!client.write(passed)) agent.pause();
      if (left > 0) return;
      this.cutCount++;
      this.#leftOver = Buffer.from(bytes.subarray(passed.length).subarray(0, this.#stale));
      close();
    });
    client.on("drain", () => agent.resume());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
