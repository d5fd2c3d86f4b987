import { Capsule } from "@wrenn/sdk";
import { withCapsule } from "../capsule.ts";
import { samplePairs } from "../row.ts";
import type { ApiServer, Row } from "../row.ts";

const PAIRS = 10;
const COMMAND = "true";

/** The request that the SDK sends for a short command, without the SDK. */
async function execOverHttp({ url, apiKey }: ApiServer, id: string): Promise<void> {
  const answer = await fetch(`${url}/v1/capsules/${id}/exec`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": apiKey },
    body: JSON.stringify({
      cmd: "/bin/sh",
      args: ["-c", COMMAND],
      tag: `bench-${crypto.randomUUID()}`,
      wait_sec: 10,
    }),
  });
  const { exit_code: code } = (await answer.json()) as { readonly exit_code?: number };
  if (code !== 0) throw new Error(`exec was answered with ${answer.status}`);
}

/** A short command through the SDK, and the same request by `fetch` next to it, in one capsule. */
export const sdkExec: Row = {
  name: "exec true: SDK to HTTP",
  unit: "ratio",
  askedDifferenceMs: 1,
  prepare: async (context) => {
    const { server } = context;
    const { id, dispose } = await withCapsule(context);
    const capsule = await Capsule.get(id, { url: server.url, apiKey: server.apiKey });
    const sample = samplePairs(
      PAIRS,
      () => capsule.commands.run(COMMAND),
      () => execOverHttp(server, id),
    );
    return { sample, dispose };
  },
};
