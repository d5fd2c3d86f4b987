import { request } from "node:http";
import { defined } from "@wrenn/core";

const DEADLINE_MS = 10_000;
const MAX_ANSWER = 16 << 20;

export interface RawRequest {
  readonly method: string;
  /** As it goes over the wire: nothing is normalised or escaped. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Address of this machine that the request comes from. */
  readonly from?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

/** One request on a connection of its own; of a stream without end only the head is read. Fails after ten seconds. */
export async function rawRequest(server: string, asked: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(server);
  return await new Promise((resolve, reject) => {
    const outgoing = request({
      hostname,
      port,
      method: asked.method,
      path: asked.path,
      headers: {
        ...asked.headers,
        ...(asked.body === undefined ? {} : { "content-length": Buffer.byteLength(asked.body) }),
      },
      agent: false,
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...defined({ localAddress: asked.from }),
    });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      if (headers["content-type"] === "text/event-stream") {
        response.destroy();
        resolve({ status, headers, text: "" });
        return;
      }
      const pieces: Buffer[] = [];
      let size = 0;
      response.on("data", (piece: Buffer) => {
        size += piece.length;
        if (size > MAX_ANSWER) response.destroy(new Error("the answer is too large"));
        pieces.push(piece);
      });
      response.once("error", reject);
      response.once("end", () => resolve({ status, headers, text: Buffer.concat(pieces).toString() }));
    });
    outgoing.end(asked.body);
  });
}
