import { once } from "node:events";
import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { ApiCaller } from "./api-caller.ts";

/** A GET with the server's key to a port of a capsule by its name, for which no DNS is needed. */
export async function askPort(
  { url, apiKey }: Pick<ApiCaller, "url" | "apiKey">,
  host: string,
  path = "/",
): Promise<{ readonly headers: IncomingHttpHeaders; readonly body: Buffer }> {
  const sent = request(new URL(path, url), { headers: { host, "x-api-key": apiKey } });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { headers: response.headers, body: await buffer(response) };
}
