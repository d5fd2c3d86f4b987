import { once } from "node:events";
import { echoes, openEcho } from "../terminal.ts";
import { openStream, withCapsule } from "../capsule.ts";
import type { ApiContext, ApiRow } from "../row.ts";
import { TRANSFER_BYTES } from "./transfers.ts";

export const terminalEcho: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "terminal echo (WebSocket)",
  unit: "ms",
  asked: { p50: 1.8, p99: 6, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    const socket = await openEcho(context, id);
    return {
      sample: () => echoes(socket),
      dispose: async () => {
        socket.close();
        await dispose();
      },
    };
  },
};

/** The same while this or another capsule does something else; `load` goes on until its signal aborts. */
function busyEcho(
  { name, askedP99Ms, other }: { readonly name: string; readonly askedP99Ms: number; readonly other?: true },
  begin: (context: ApiContext, id: string) => Promise<(stop: AbortSignal) => Promise<void>>,
): ApiRow {
  return {
    usesApiOnly: true,
    name,
    unit: "ms",
    asked: { p99: askedP99Ms, better: "lower" },
    prepare: async (context) => {
      const { id, dispose } = await withCapsule(context);
      const quiet = other ? await withCapsule(context) : undefined;
      const load = await begin(context, id);
      const socket = await openEcho(context, quiet?.id ?? id);
      return {
        sample: async () => {
          const stop = new AbortController();
          const loading = load(stop.signal);
          const times = await echoes(socket);
          stop.abort();
          await loading;
          return times;
        },
        dispose: async () => {
          socket.close();
          await quiet?.dispose();
          await dispose();
        },
      };
    },
  };
}

/** Writes 200 kB a hundred times a second. */
const STEADY_OUTPUT = `
import os, time
piece, at = b"x" * 199_999 + b"\\n", time.monotonic()
while True:
    os.write(1, piece)
    at += 0.01
    time.sleep(max(0, at - time.monotonic()))
`;

export const terminalEchoBesideOutput = busyEcho(
  { name: "terminal echo beside 20 MB/s of output", askedP99Ms: 20 },
  async (context, id) => async (stop) => {
    const socket = await openStream(context, `/v1/capsules/${id}/exec/stream`, {
      type: "start",
      cmd: "python3",
      args: ["-c", STEADY_OUTPUT],
    });
    socket.on("message", () => {});
    if (!stop.aborted) await once(stop, "abort");
    const closed = once(socket, "close");
    socket.close();
    await closed;
  },
);

/** The file is sent as fast as it can be. */
export const terminalEchoBusy = busyEcho(
  { name: "terminal echo during a download", askedP99Ms: 12 },
  beginDownloads,
);

export const terminalEchoOtherBusy = busyEcho(
  { name: "terminal echo during a download of another", askedP99Ms: 12, other: true },
  beginDownloads,
);

async function beginDownloads(
  context: ApiContext,
  id: string,
): Promise<(stop: AbortSignal) => Promise<void>> {
  await context.api("POST", `/v1/capsules/${id}/exec`, {
    cmd: "sh",
    args: ["-c", `head -c ${TRANSFER_BYTES} /dev/zero > /root/transfer`],
    timeout_sec: 300,
  });
  return async (stop) => {
    while (!stop.aborted) await drain(context, id, stop).catch(() => {});
  };
}

/** Downloads the file once. */
async function drain(context: ApiContext, id: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(contentUrl(context, id), {
    headers: { "x-api-key": context.server.apiKey },
    signal,
  });
  if (!answer.body) throw new Error("the download has no body");
  for await (const chunk of answer.body) void chunk;
}

const contentUrl = ({ server }: ApiContext, id: string): URL =>
  new URL(`/v1/capsules/${id}/files/content?path=/root/transfer`, server.url);
