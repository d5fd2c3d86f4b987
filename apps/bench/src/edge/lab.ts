import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";

const REQUEST_LINE = "GET / HTTP/1.1\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UPGRADED = "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/** An edge in a process of its own, clients and service in this one. */
export interface EdgeLab {
  /** Memory of the edge's process, in KiB. */
  readonly memory: () => Promise<number>;
  /** A connection that began a request and does not go on. */
  readonly halfOpen: () => Promise<Socket>;
  /** A connection that was upgraded and has carried bytes both ways. */
  readonly upgraded: () => Promise<Socket>;
  /** Milliseconds for a small request on a new connection. */
  readonly request: () => Promise<number>;
  readonly close: () => Promise<void>;
}

export async function startEdgeLab(): Promise<EdgeLab> {
  const service = await startService();
  const { port: servicePort } = service.address() as AddressInfo;
  // As the launcher starts the server.
  const child = spawn(
    process.execPath,
    ["--max-semi-space-size=4", join(import.meta.dirname, "process.ts")],
    { stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  const ended = once(child, "exit");
  const receive = async <T>(): Promise<T> =>
    await Promise.race([
      once(child, "message").then(([message]) => message as T),
      ended.then(([code]) => Promise.reject(new Error(`the edge ended: ${String(code)}`))),
    ]);
  const { port, domain } = await receive<{ port: number; domain: string }>();
  const host = `Host: ${servicePort}-${domain}\r\n`;
  const open = async (text: string): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(text);
    return socket;
  };
  return {
    memory: async () => {
      const answer = receive<{ kib: number }>();
      child.send("memory");
      return (await answer).kib;
    },
    halfOpen: async () => open(`${REQUEST_LINE}${host}X-`),
    upgraded: async () => {
      const socket = await open(`${REQUEST_LINE}${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
      await once(socket, "data");
      socket.write("x");
      await once(socket, "data");
      return socket;
    },
    request: async () => {
      const startedAt = performance.now();
      const socket = await open(`${REQUEST_LINE}${host}\r\n`);
      const [answer] = (await once(socket, "data")) as [Buffer];
      const elapsed = performance.now() - startedAt;
      socket.destroy();
      if (!answer.includes("200 OK")) throw new Error(`the edge answered ${answer.toString()}`);
      return elapsed;
    },
    close: async () => {
      child.disconnect();
      await ended;
      service.close();
    },
  };
}

/** Answers requests, and echoes on connections that are upgraded. */
async function startService(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (head: Buffer) => {
      if (head.includes("Upgrade: websocket")) {
        socket.write(UPGRADED);
        socket.on("data", (data: Buffer) => socket.write(data));
      } else {
        socket.on("data", () => socket.write(ANSWER));
        socket.write(ANSWER);
      }
    });
  });
  server.listen(0, "127.0.0.1", 4096);
  await once(server, "listening");
  return server;
}
