import { withCapsule } from "../capsule.ts";
import type { ApiContext, ApiRow } from "../row.ts";
import { transferFile } from "../transfer/transfer-file.ts";

export const TRANSFER_BYTES = 64 << 20;

/** A whole file between a capsule and a client in a separate process. */
function transfer(
  direction: "up" | "down",
  askedMbPerSec: number,
  prepare: (context: ApiContext, id: string) => Promise<void>,
): ApiRow {
  return {
    usesApiOnly: true,
    name: `file ${direction}load, 64 MiB (REST)`,
    unit: "MB/s",
    asked: { p50: askedMbPerSec, better: "higher" },
    isQuick: true,
    prepare: async (context) => {
      const { id, dispose } = await withCapsule(context);
      await prepare(context, id);
      const file = { path: `/v1/capsules/${id}`, name: "/root/transfer", bytes: TRANSFER_BYTES };
      return {
        sample: async () => {
          const elapsed = await transferFile(context.server, direction, file, context.signal);
          return TRANSFER_BYTES / 1e3 / elapsed;
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
