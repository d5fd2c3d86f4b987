import { problemOf } from "@wrenn/core";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import { outputEnd } from "./output-end.ts";
import { sendCapsuleEvents } from "./capsule-events.ts";
import { forwardOutput } from "./forward-output.ts";
import { SocketOutput } from "./socket-output.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketHandler } from "../http/socket-route.ts";

/**
 * Attaches to the output of a process (docs/reference/websocket-api.md#processes): from now on, or, with `?from=`, from an offset of standard output
 * (`&from_stderr=` for the other stream). Messages of the client are read and dropped.
 */
export const processStream: SocketHandler = async (socket, context) => {
  const from = readFrom(context.query);
  let process: CapsuleProcess;
  try {
    process = await context.processes.find(context.params["selector"] ?? "", context.signal);
  } catch (error) {
    throw new SocketRefused(`failed to connect to process: ${problemOf(error)}`, { cause: error });
  }
  const ended = new AbortController();
  const draining = drain();
  let endEvents = (): void => undefined;
  try {
    const live = context.query.has("from") ? await outputEnd(process, context.signal) : undefined;
    await socket.send({
      type: "start",
      pid: process.facts.pid,
      ...(live && { live_offset: live.stdout, live_offset_stderr: live.stderr }),
    });
    if (context.query.get("capsule_events") === "true") endEvents = sendCapsuleEvents(socket, context);
    const output = new SocketOutput(socket, {
      encoding: context.query.get("encoding") === "base64" ? "base64" : "utf-8",
      offsets: context.query.has("from"),
    });
    await forwardOutput(process, output, from, context.signal);
  } finally {
    endEvents();
    ended.abort();
    await draining;
  }

  async function drain(): Promise<void> {
    try {
      while (await socket.receive(ended.signal));
    } catch {
      // The session has ended.
    }
  }
};

function readFrom(query: URLSearchParams): OutputStart {
  const from = query.get("from");
  if (from === null) return "now";
  if (from === "oldest") return "oldest";
  const stdout = Number(from);
  const stderr = Number(query.get("from_stderr") ?? 0);
  if (![stdout, stderr].every((offset) => Number.isSafeInteger(offset) && offset >= 0) || from === "")
    throw new SocketRefused("from must be 'oldest' or an offset in bytes");
  return { stdout, stderr };
}
