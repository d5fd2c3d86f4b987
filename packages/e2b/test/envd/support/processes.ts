import { once } from "node:events";
import { request } from "node:http";
import { TOKEN } from "./envd-lab.ts";
import type { EnvdLab } from "./envd-lab.ts";
import { frame, messagesOf } from "./wire.ts";

export const START = "process.Process/Start";

/** A request to start a script. */
export const bash = (script: string, more: object = {}): object => ({
  process: { cmd: "/bin/bash", args: ["-c", script], ...more },
  stdin: false,
});

/** A message of a stream of events. */
export interface EventMessage {
  readonly event: {
    readonly start?: { readonly pid: number };
    readonly data?: Readonly<Record<"stdout" | "stderr" | "pty", string>>;
    readonly end?: object;
    readonly keepalive?: object;
  };
}

/** What a process printed. */
export const textOf = (messages: readonly unknown[], stream: "stdout" | "stderr" | "pty"): string =>
  Buffer.concat(
    (messages as readonly EventMessage[]).map(({ event }) =>
      Buffer.from(event?.data?.[stream] ?? "", "base64"),
    ),
  ).toString();

export const pidOf = (messages: readonly unknown[]): number =>
  (messages[0] as EventMessage).event.start?.pid ?? 0;

/** Starts a script, and closes the stream of its events once it runs. */
export async function startAndLeave(
  lab: EnvdLab,
  script: string,
  headers: Readonly<Record<string, string>> = {},
  more: object = {},
): Promise<{ readonly pid: number }> {
  const sent = request(`${lab.url}/${START}`, {
    method: "POST",
    agent: false,
    headers: { "x-access-token": TOKEN, "content-type": "application/connect+json", ...headers },
  });
  sent.on("error", () => undefined);
  sent.end(frame(JSON.stringify({ ...bash(script), ...more })));
  const [response] = (await once(sent, "response")) as [NodeJS.ReadableStream];
  response.on("error", () => undefined);
  const [first] = (await once(response, "data")) as [Buffer];
  sent.destroy();
  return { pid: pidOf(messagesOf(first)) };
}
