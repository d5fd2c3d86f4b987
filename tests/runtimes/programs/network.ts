/**
 * Reaches a server in each way of the SDK, on the Node.js that runs it, and prints what came of it as JSON: a request, a body that is
 * read as it arrives, server-sent events, and a WebSocket. Imports the SDK's parts, for none of which its users need names.
 */
import { isWrennError } from "../../../packages/sdk/src/errors/wrenn-error.ts";
import { useNodePlatform } from "../../../packages/sdk/src/node/node-platform.ts";
import { connectionSettings } from "../../../packages/sdk/src/transport/connection.ts";
import { HttpClient } from "../../../packages/sdk/src/transport/http.ts";
import { serverSentEvents } from "../../../packages/sdk/src/transport/server-sent-events.ts";
import { openSocket } from "../../../packages/sdk/src/transport/socket.ts";

useNodePlatform();
const settings = connectionSettings({ apiKey: "wrn_test", retries: 0, requestTimeoutMs: 5000 });
const http = new HttpClient(settings);

const ways: Readonly<Record<string, () => Promise<string>>> = {
  request: async () => (await http.json<{ key: string }>("POST", "/json", { json: { a: 1 } })).key,
  upload: async () => await (await http.request("PUT", "/length", { body: streamOf(300_000) })).text(),
  body: async () => {
    let text = "";
    for await (const chunk of (await http.request("GET", "/body")).chunks())
      text += new TextDecoder().decode(chunk);
    return text;
  },
  events: async () => {
    for await (const event of serverSentEvents((await http.request("GET", "/events")).chunks()))
      if (event?.data !== undefined) return event.data;
    return "no event";
  },
  socket: async () => {
    // Node.js 20 has no Promise.withResolvers.
    let onMessage: (data: string | Uint8Array) => void = () => undefined;
    const message = new Promise<string>((resolve, reject) => {
      onMessage = (data) => resolve(String(data));
      setTimeout(() => reject(new Error("no message")), 5000).unref();
    });
    const socket = await openSocket(settings, { path: "/socket" }, { onMessage, onEnd: () => undefined });
    socket.send("hello");
    const text = await message;
    socket.close();
    return text;
  },
};

function streamOf(length: number): ReadableStream<Uint8Array> {
  return new Blob(["x".repeat(length)]).stream();
}

const outcomes: Record<string, string> = {};
for (const [name, way] of Object.entries(ways))
  outcomes[name] = await way().catch((error: unknown) =>
    isWrennError(error) ? `${error.code}: ${error.message} | ${error.remedy ?? ""}` : String(error),
  );
// Nothing may hold the process from here on; its parent measures.
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
