import { once } from "node:events";
import { WebSocket } from "ws";
import type { ApiContext } from "./row.ts";

/** A capsule of a row's own. */
export async function withCapsule({ api }: ApiContext) {
  const { id } = await api<{ id: string }>("POST", "/v1/capsules", {});
  return { id, dispose: async () => void (await api("DELETE", `/v1/capsules/${id}`)) };
}

/** Opens a stream of the API. */
export async function openStream(
  { server }: ApiContext,
  path: string,
  first: Readonly<Record<string, unknown>>,
): Promise<WebSocket> {
  const url = new URL(path, server.url);
  url.protocol = "ws:";
  const socket = new WebSocket(url, { headers: { "x-api-key": server.apiKey }, perMessageDeflate: false });
  await once(socket, "open");
  socket.send(JSON.stringify(first));
  return socket;
}
