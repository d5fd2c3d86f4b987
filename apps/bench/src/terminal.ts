import { once } from "node:events";
import type { WebSocket } from "ws";
import { openStream } from "./capsule.ts";
import { timed } from "./row.ts";
import type { ApiContext } from "./row.ts";

const ECHOES = 50;

/** A terminal whose guest does nothing with what is typed: the terminal itself echoes. */
export async function openEcho(context: ApiContext, id: string): Promise<WebSocket> {
  const socket = await openStream(context, `/v1/capsules/${id}/pty`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "stty raw; exec cat >/dev/null"],
    binary: true,
  });
  await once(socket, "message");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return socket;
}

/** Keystrokes' way to the guest's terminal and back. */
export async function echoes(socket: WebSocket): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < ECHOES; n++) {
    times.push(
      await timed(async () => {
        socket.send(Buffer.from("x"));
        await once(socket, "message");
      }),
    );
  }
  return times;
}
