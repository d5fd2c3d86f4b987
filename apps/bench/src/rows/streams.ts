import { once } from "node:events";
import { echoes, openEcho } from "../terminal.ts";
import { openStream, withCapsule } from "../capsule.ts";
import { timed } from "../row.ts";
import type { BenchContext, Row } from "../row.ts";

const TRANSFER_BYTES = 64 << 20;
const STREAM_BYTES = 32 << 20;

export const terminalEcho: Row = {
  name: "terminal echo (WebSocket)",
  unit: "ms",
  asked: { p50: 3, p99: 12, better: "lower" },
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

/** The same while the capsule sends a file as fast as it can. */
export const terminalEchoBusy: Row = {
  name: "terminal echo during a download",
  unit: "ms",
  asked: { p99: 20, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    await context.api("POST", `/v1/capsules/${id}/exec`, {
      cmd: "sh",
      args: ["-c", `head -c ${TRANSFER_BYTES} /dev/zero > /root/transfer`],
      timeout_sec: 300,
    });
    const socket = await openEcho(context, id);
    return {
      sample: async () => {
        const stop = new AbortController();
        const loading = (async () => {
          while (!stop.signal.aborted) await drain(context, id, stop.signal).catch(() => {});
        })();
        const times = await echoes(socket);
        stop.abort();
        await loading;
        return times;
      },
      dispose: async () => {
        socket.close();
        await dispose();
      },
    };
  },
};

/** Downloads the file once. */
async function drain(context: BenchContext, id: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(contentUrl(context, id), {
    headers: { "x-api-key": context.server.apiKey },
    signal,
  });
  if (!answer.body) throw new Error("the download has no body");
  for await (const chunk of answer.body) void chunk;
}

export const streamThroughput: Row = {
  name: "streaming exec, output",
  unit: "MB/s",
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return {
      sample: async () => {
        const elapsed = await timed(async () => {
          const socket = await openStream(context, `/v1/capsules/${id}/exec/stream`, {
            type: "start",
            cmd: "head",
            args: ["-c", String(STREAM_BYTES), "/dev/zero"],
            encoding: "base64",
          });
          socket.on("message", () => {});
          await once(socket, "close");
        });
        return STREAM_BYTES / 1e3 / elapsed;
      },
      dispose,
    };
  },
};

const contentUrl = ({ server }: BenchContext, id: string): URL =>
  new URL(`/v1/capsules/${id}/files/content?path=/root/transfer`, server.url);

export const upload: Row = {
  name: "file upload, 64 MiB (REST)",
  unit: "MB/s",
  asked: { p50: 120, better: "higher" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    const body = Buffer.alloc(TRANSFER_BYTES, 7);
    return {
      sample: async () => {
        const elapsed = await timed(async () => {
          const answer = await fetch(contentUrl(context, id), {
            method: "PUT",
            headers: { "x-api-key": context.server.apiKey },
            body,
          });
          if (!answer.ok) throw new Error(`upload answered ${answer.status}`);
          await answer.arrayBuffer();
        });
        return TRANSFER_BYTES / 1e3 / elapsed;
      },
      dispose,
    };
  },
};

export const download: Row = {
  name: "file download, 64 MiB (REST)",
  unit: "MB/s",
  asked: { p50: 120, better: "higher" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    await context.api("POST", `/v1/capsules/${id}/exec`, {
      cmd: "sh",
      args: ["-c", `head -c ${TRANSFER_BYTES} /dev/urandom > /root/transfer`],
      timeout_sec: 300,
    });
    return {
      sample: async () => {
        const elapsed = await timed(() => drain(context, id, context.signal));
        return TRANSFER_BYTES / 1e3 / elapsed;
      },
      dispose,
    };
  },
};
