import { once } from "node:events";
import { connect } from "node:http2";
import { request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { Readable } from "node:stream";

/** Where cells of a sandbox are sent. */
export interface CellAddress {
  /** Of the service, or of the server over plain HTTP. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Sends a cell, waits until it prints, and breaks the request off.
 *
 * @param version - of HTTP. The second one needs TLS.
 * @returns when it was broken off, by `performance.now()`.
 */
export async function breakOffCell(
  { url, headers }: CellAddress,
  cell: Readonly<Record<string, unknown>>,
  version: "1.1" | "2",
): Promise<number> {
  const body = JSON.stringify(cell);
  if (version === "2") {
    const session = connect(url);
    try {
      const stream = session.request({
        ":method": "POST",
        ":path": "/execute",
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        ...headers,
      });
      stream.end(body);
      await untilPrinted(stream);
      stream.close();
      return performance.now();
    } finally {
      // The connection stays open for a moment: it is the stream that ends.
      setTimeout(() => session.destroy(), 10_000).unref();
      session.unref();
    }
  }
  const send = url.startsWith("https:") ? requestHttps : requestHttp;
  const sent = send(`${url}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  await untilPrinted(response);
  sent.destroy();
  return performance.now();
}

async function untilPrinted(stream: Readable): Promise<void> {
  let text = "";
  stream.on("error", () => undefined);
  await new Promise<void>((resolve, reject) => {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('"stdout"')) resolve();
    });
    stream.once("close", () => reject(new Error(`the cell has ended: ${text}`)));
  });
}
