import { once } from "node:events";
import { WebSocket } from "ws";
import type { ApiCaller } from "./api-caller.ts";

export const KERNEL_PROTOCOL = "v1.kernel.websocket.jupyter.org";

export interface KernelMessage {
  readonly channel: string;
  readonly header: { readonly msg_type: string; readonly msg_id?: string };
  readonly parent: { readonly msg_id?: string };
  readonly content: Readonly<Record<string, unknown>>;
  readonly buffers: readonly Buffer[];
}

/** Speaks to tests/support/guest/kernel.py as a notebook does to a kernel. */
export class KernelClient {
  readonly socket: WebSocket;
  readonly messages: KernelMessage[] = [];
  readonly texts: string[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.messages.push(decode(data));
      else this.texts.push(data.toString());
    });
    const { promise, resolve } = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = promise;
    socket.once("close", (code, reason: Buffer) => resolve({ code, reason: reason.toString() }));
  }

  static async open(api: ApiCaller, host: string): Promise<KernelClient> {
    const { host: address } = new URL(api.url);
    const socket = new WebSocket(`ws://${address}/api/kernels/1/channels`, [KERNEL_PROTOCOL, "other"], {
      headers: { host, "x-api-key": api.apiKey },
      perMessageDeflate: false,
      maxPayload: 64 << 20,
    });
    const client = new KernelClient(socket);
    await once(socket, "open");
    return client;
  }

  /** Sends a request on the shell channel. */
  request(id: string, content: Readonly<Record<string, unknown>>, buffers: readonly Buffer[] = []): void {
    const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    const header = { msg_type: "request", msg_id: id };
    this.socket.send(
      encode([Buffer.from("shell"), json(header), json({}), json({}), json(content), ...buffers]),
    );
  }

  /** The reply to a request, once the kernel has said that it is idle again. */
  async reply(id: string): Promise<KernelMessage> {
    const mine = () => this.messages.filter(({ parent }) => parent.msg_id === id);
    while (!mine().some(({ content }) => content["execution_state"] === "idle"))
      await once(this.socket, "message", { signal: AbortSignal.timeout(60_000) });
    const reply = mine().find(({ header }) => header.msg_type === "reply");
    if (!reply) throw new Error(`no reply to ${id} before the kernel was idle`);
    return reply;
  }
}

/** Little-endian count of offsets, offsets, parts. */
function encode(parts: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8 * (parts.length + 2));
  head.writeBigUInt64LE(BigInt(parts.length + 1), 0);
  let at = head.length;
  head.writeBigUInt64LE(BigInt(at), 8);
  for (const [index, part] of parts.entries()) {
    at += part.length;
    head.writeBigUInt64LE(BigInt(at), 8 * (index + 2));
  }
  return Buffer.concat([head, ...parts]);
}

function decode(data: Buffer): KernelMessage {
  const count = Number(data.readBigUInt64LE(0));
  const offset = (index: number): number => Number(data.readBigUInt64LE(8 * (index + 1)));
  const part = (index: number): Buffer => data.subarray(offset(index), offset(index + 1));
  const object = (index: number): unknown => JSON.parse(part(index).toString());
  return {
    channel: part(0).toString(),
    header: object(1) as KernelMessage["header"],
    parent: object(2) as KernelMessage["parent"],
    content: object(4) as KernelMessage["content"],
    buffers: Array.from({ length: count - 6 }, (_, index) => part(index + 5)),
  };
}
