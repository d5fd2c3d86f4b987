import { connect, createServer } from "node:net";
import type { AddressInfo, NetConnectOpts, Socket } from "node:net";

/** The way to a database, which tests cut and slow down. */
export class DatabaseLink implements AsyncDisposable {
  /** Nobody gets through: connections break, and new ones are refused at once. */
  #cut = false;
  /** How long each piece takes, ms, in either direction. */
  delayMs = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server;
  readonly url: string;

  private constructor(server: ReturnType<typeof createServer>, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async to(databaseUrl: string): Promise<DatabaseLink> {
    const target = new URL(databaseUrl);
    const host = target.searchParams.get("host") ?? target.hostname;
    const port = Number(target.searchParams.get("port") ?? (target.port || 5432));
    const where: NetConnectOpts = host.startsWith("/")
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host, port };
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    target.searchParams.set("host", "127.0.0.1");
    target.searchParams.set("port", String((server.address() as AddressInfo).port));
    const link = new DatabaseLink(server, target.href);
    server.on("connection", (client) => link.#join(client, where));
    return link;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, where: NetConnectOpts): void {
    if (this.#cut) {
      client.destroy();
      return;
    }
    const server = connect(where);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => from.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      // Timers of equal length fire in the order in which they were set.
      from.on("data", (piece) => {
        if (this.delayMs === 0) to.write(piece);
        else setTimeout(() => to.writable && to.write(piece), this.delayMs);
      });
    }
  }
}
