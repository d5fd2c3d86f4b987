import { Bell } from "@wrenn/core";
import type { BenchContext, Row } from "../row.ts";

/** From the change in the database to a subscriber of server-sent events. Both clocks are this machine's, in milliseconds. */
export const eventLatency: Row = {
  name: "event, change to subscriber",
  unit: "ms",
  asked: { p50: 20, better: "lower" },
  prepare: async (context) => {
    const stop = new AbortController();
    const latencies: number[] = [];
    const arrivals = new Bell();
    const reading = follow(context, stop.signal, (timestamp) => {
      latencies.push(Date.now() - Date.parse(timestamp));
      arrivals.ring();
    });
    return {
      sample: async () => {
        const arrival = arrivals.next;
        const { id } = await context.api<{ id: string }>("POST", "/v1/capsules", {});
        await arrival;
        await context.api("DELETE", `/v1/capsules/${id}`);
        return latencies.splice(0);
      },
      dispose: async () => {
        stop.abort();
        await reading;
      },
    };
  },
};

async function follow(
  { server }: BenchContext,
  signal: AbortSignal,
  onEvent: (timestamp: string) => void,
): Promise<void> {
  const url = new URL("/v1/events", server.url);
  const response = await fetch(url, { headers: { "x-api-key": server.apiKey }, signal });
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines)
        if (line.startsWith("data: "))
          onEvent((JSON.parse(line.slice(6)) as { readonly timestamp: string }).timestamp);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
