import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { ClientSocket } from "../http/client-socket.ts";
import type { TerminalSession } from "./terminal-sessions.ts";

/**
 * Tells a client how much of its input the terminal took. While one message waits for the client, the next one counts for all that
 * follow.
 *
 * @returns takes the count of bytes that were taken.
 */
export function acknowledgeInput(
  socket: ClientSocket,
  session: TerminalSession,
  logger: Logger,
): (bytes: number | undefined) => void {
  let isSending = false;
  let sent = session.inputTaken;
  const send = async (): Promise<void> => {
    while (session.inputTaken !== undefined && session.inputTaken !== sent) {
      sent = session.inputTaken;
      await socket.send({ type: "input_ack", offset: sent });
    }
  };
  return (bytes) => {
    session.addInput(bytes);
    if (isSending) return;
    isSending = true;
    send()
      .catch((error: unknown) => logger.warn("pty.ack_failed", { problem: problemOf(error) }))
      .finally(() => {
        isSending = false;
      });
  };
}
