import { once } from "node:events";
import { openStream, withCapsule } from "../capsule.ts";
import { timed } from "../row.ts";
import type { ApiRow } from "../row.ts";

const STREAM_BYTES = 32 << 20;
const SMALL_PIECES_BYTES = 16 << 20;
const INPUT_BYTES = 32 << 20;
const INPUT_PIECE = Buffer.alloc(256 << 10, 7);
/** Bytes that a client lets wait in its own memory. */
const WAITING_BYTES = 4 << 20;

interface Program {
  readonly cmd: string;
  readonly args: readonly string[];
}

/** What a program prints, until its stream ends. */
function output(name: string, bytes: number, askedMbPerSec: number, program: Program): ApiRow {
  return {
    usesApiOnly: true,
    name,
    unit: "MB/s",
    asked: { p50: askedMbPerSec, better: "higher" },
    prepare: async (context) => {
      const { id, dispose } = await withCapsule(context);
      return {
        sample: async () => {
          let received = 0;
          const elapsed = await timed(async () => {
            const socket = await openStream(context, `/v1/capsules/${id}/exec/stream`, {
              type: "start",
              ...program,
              encoding: "base64",
            });
            socket.on("message", (message: Buffer) => (received += message.length));
            await once(socket, "close");
          });
          if (received < bytes) throw new Error(`${received} bytes came of ${bytes}`);
          return bytes / 1e3 / elapsed;
        },
        dispose,
      };
    },
  };
}

export const streamThroughput: ApiRow = {
  ...output("streaming exec, output (base64)", STREAM_BYTES, 65, {
    cmd: "head",
    args: ["-c", String(STREAM_BYTES), "/dev/zero"],
  }),
  isQuick: true,
};

export const smallPieces = output(
  "streaming exec, output in pieces of 4 KiB (base64)",
  SMALL_PIECES_BYTES,
  12.6,
  {
    cmd: "sh",
    args: ["-c", String.raw`head -c ${SMALL_PIECES_BYTES} /dev/zero | tr '\0' a`],
  },
);

export const streamInput: ApiRow = {
  usesApiOnly: true,
  name: "streaming exec, standard input",
  unit: "MB/s",
  asked: { p50: 60, better: "higher" },
  isQuick: true,
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return {
      sample: async () => {
        const elapsed = await timed(async () => {
          const start = { type: "start", cmd: "sh", args: ["-c", "exec cat >/dev/null"], stdin: true };
          const socket = await openStream(context, `/v1/capsules/${id}/exec/stream`, start);
          const closed = once(socket, "close");
          socket.on("message", () => {});
          for (let sent = 0; sent < INPUT_BYTES; sent += INPUT_PIECE.length) {
            const written = new Promise<void>((resolve, reject) =>
              socket.send(INPUT_PIECE, (error) => (error ? reject(error) : resolve())),
            );
            if (socket.bufferedAmount > WAITING_BYTES) await written;
          }
          socket.send(JSON.stringify({ type: "stdin_close" }));
          await closed;
        });
        return INPUT_BYTES / 1e3 / elapsed;
      },
      dispose,
    };
  },
};
