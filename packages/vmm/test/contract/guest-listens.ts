import { connect } from "node:net";
import type { Machine } from "@wrenn/vmm";

/** Waits until the guest agent answers a hello on the interactive lane (guest protocol §1). */
export async function guestListens(machine: Machine): Promise<void> {
  const hello = Buffer.alloc(64);
  hello.write("WRENN-HELLO\u00ff\u0000\u00a5\u005a\u0001", "latin1");
  hello.writeUInt32LE(1, 16);
  hello.writeUInt32LE(7, 20);
  const socket = connect(machine.guestChannel.interactive);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const repeat = setInterval(() => socket.write(hello), 100);
  const late = setTimeout(() => reject(new Error("the guest does not answer")), 300_000);
  socket.on("data", (bytes) => {
    if (bytes.includes("WRENN-WELCM")) resolve();
  });
  socket.on("error", reject);
  try {
    await promise;
  } finally {
    clearInterval(repeat);
    clearTimeout(late);
    socket.destroy();
  }
}
