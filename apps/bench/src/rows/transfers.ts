import { fileURLToPath } from "node:url";
import { runCommand } from "@wrenn/system";
import { withCapsule } from "../capsule.ts";
import type { BenchContext, Row } from "../row.ts";

export const TRANSFER_BYTES = 64 << 20;
const CLIENT = fileURLToPath(new URL("../transfer/process.ts", import.meta.url));

/** A whole file between a capsule and a client in a separate process. */
function transfer(
  direction: "up" | "down",
  askedMbPerSec: number,
  prepare: (context: BenchContext, id: string) => Promise<void>,
): Row {
  return {
    name: `file ${direction}load, 64 MiB (REST)`,
    unit: "MB/s",
    asked: { p50: askedMbPerSec, better: "higher" },
    isQuick: true,
    prepare: async (context) => {
      const { id, dispose } = await withCapsule(context);
      await prepare(context, id);
      const { url, apiKey } = context.server;
      const file = new URL(`/v1/capsules/${id}/files/content?path=/root/transfer`, url).href;
      return {
        sample: async () => {
          const { stdout } = await runCommand(
            [process.execPath, CLIENT, direction, file, apiKey, String(TRANSFER_BYTES)],
            { signal: context.signal },
          );
          return TRANSFER_BYTES / 1e3 / Number(stdout);
        },
        dispose,
      };
    },
  };
}

export const upload = transfer("up", 85, async () => {});

export const download = transfer("down", 95, async (context, id) => {
  await context.api("POST", `/v1/capsules/${id}/exec`, {
    cmd: "sh",
    args: ["-c", `head -c ${TRANSFER_BYTES} /dev/urandom > /root/transfer`],
    timeout_sec: 300,
  });
});
