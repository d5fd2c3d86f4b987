import { request } from "node:http";
import { TOKEN } from "./envd-lab.ts";
import type { EnvdLab } from "./envd-lab.ts";

/** One frame of a stream. */
export interface Frame {
  readonly flags: number;
  readonly payload: Buffer;
}

/** A frame as it is sent: flags, length (big-endian), payload. */
export function frame(payload: string | Uint8Array, flags = 0): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Cuts complete frames off. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    const length = bytes.readUInt32BE(at + 1);
    frames.push({ flags: bytes.readUInt8(at), payload: bytes.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return frames;
}

/** The JSON messages of a stream. */
export function messagesOf(bytes: Buffer): unknown[] {
  return framesOf(bytes).map(({ payload }) => JSON.parse(payload.toString()) as unknown);
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface WireOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends the body in pieces of this size. */
  readonly pieceBytes?: number;
}

/** A call by hand, over a connection of its own. */
export async function post(
  lab: EnvdLab,
  path: string,
  body: Uint8Array | string,
  { headers = {}, pieceBytes }: WireOptions = {},
): Promise<WireAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<WireAnswer>();
  const sent = request(lab.url + path, {
    method: "POST",
    agent: false,
    headers: { "x-access-token": TOKEN, "connect-protocol-version": "1", ...headers },
  });
  sent.on("error", reject);
  sent.on("response", (response) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("error", reject);
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
    );
  });
  const bytes = Buffer.from(body);
  const size = pieceBytes ?? (bytes.length || 1);
  for (let at = 0; at < bytes.length; at += size) {
    sent.write(bytes.subarray(at, at + size));
    if (pieceBytes !== undefined) await new Promise((next) => void setImmediate(next));
  }
  sent.end();
  return await promise;
}

/** A unary call in JSON. */
export async function callJson(
  lab: EnvdLab,
  method: string,
  message: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { status, body } = await post(lab, `/${method}`, JSON.stringify(message), {
    headers: { "content-type": "application/json", ...headers },
  });
  return { status, body: JSON.parse(body.toString()) as unknown };
}

/** The messages of a streaming call in JSON, which has to end. */
export async function streamJson(
  lab: EnvdLab,
  method: string,
  message: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown[]> {
  const { body } = await post(lab, `/${method}`, frame(JSON.stringify(message)), {
    headers: { "content-type": "application/connect+json", ...headers },
  });
  return messagesOf(body);
}
