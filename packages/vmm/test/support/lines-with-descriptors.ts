import type { Socket } from "node:net";
import { descriptorAddon } from "../../src/descriptors/descriptor-addon.ts";

const LOOK_MS = 2;
const ROOM = 65_536;

/**
 * Reads lines from a paused socket as QEMU's monitor does: with the descriptors that came with them. Whoever takes a descriptor closes
 * it. Ends with the socket.
 *
 * @returns a function that ends the reading.
 *
 * @param socket - of a server with `pauseOnConnect`: Node reads nothing of it.
 */
export function readLinesWithDescriptors(
  socket: Socket,
  take: (line: string, descriptors: readonly number[]) => void,
): () => void {
  // Node tells the descriptor of a socket to nobody else.
  const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  let rest = "";
  const timer = setInterval(() => {
    for (let message = look(); message; message = look()) {
      const [bytes, size, descriptors] = message;
      if (size === 0) return void socket.destroy();
      const lines = `${rest}${bytes.toString("utf8", 0, size)}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line, descriptors);
    }
  }, LOOK_MS);
  socket.once("close", () => clearInterval(timer));
  socket.on("error", () => socket.destroy());
  return () => clearInterval(timer);

  function look(): ReturnType<ReturnType<typeof descriptorAddon>["receive"]> {
    try {
      return socket.destroyed ? undefined : descriptorAddon().receive(fd, ROOM);
    } catch {
      socket.destroy();
      return undefined;
    }
  }
}
