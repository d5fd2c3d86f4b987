import { mkdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { WrennError } from "@wrenn/core";

/**
 * Claims a state directory for this process. The claim is a Unix socket in the kernel's abstract namespace, named by the
 * directory's identity: it exists for one process at a time, leaves no file, and goes with the process however that ends.
 *
 * @throws WrennError `network_in_use` when another process holds it.
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { dev, ino } = await stat(directory);
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    reject(error.code === "EADDRINUSE" ? new WrennError("network_in_use", { directory }) : error);
  });
  server.listen(`\0wrenn-network-${dev}-${ino}`, resolve);
  await promise;
  // The claim alone must not keep the process alive.
  server.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}
