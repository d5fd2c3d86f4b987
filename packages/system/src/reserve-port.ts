import { once } from "node:events";
import { createServer } from "node:net";
import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { hasCode } from "./files.ts";
import { tryLock } from "./lock.ts";

/** Below the ports that the kernel gives to outgoing connections, above those of common services. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;

/**
 * A TCP port of the loopback address for a server that starts later, in this process or in one that it starts. No other caller on
 * this machine is given it while this process lives, and the kernel gives it to no outgoing connection.
 */
export async function reservePort(random: Random): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + (Number.parseInt(randomHex(random, 4), 16) % PORTS);
    const lock = await tryLock(`/tmp/wrenn-port-${port}`);
    if (!lock) continue;
    if (await isFree(port)) return port;
    await lock[Symbol.asyncDispose]();
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port);
  try {
    await once(server, "listening");
  } catch (error) {
    if (hasCode(error, "EADDRINUSE")) return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
