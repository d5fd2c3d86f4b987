import type { IncomingMessage, ServerResponse } from "node:http";

/** How an answer is wrong. */
export type BlobFault =
  /** The connection breaks after this many bytes of what was asked for. */
  | { readonly kind: "dies"; readonly after: number }
  /** The answer is this one, without contents. */
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** One bit is another one. */
  | { readonly kind: "wrong-bit" }
  /** There are more bytes, or fewer, and the length says so. */
  | { readonly kind: "wrong-length"; readonly by: number }
  /** The whole is sent, whatever part was asked for. */
  | { readonly kind: "ignores-range" }
  /** A part is sent, and it is another one than the header says or than was asked for. */
  | { readonly kind: "lies-about-range"; readonly contentRange: string }
  /** Nothing comes after this many bytes. */
  | { readonly kind: "hangs"; readonly after: number };

/** Sends bytes as a registry does, or wrong in one way. */
export function sendBlob(
  bytes: Buffer,
  headers: Readonly<Record<string, string>>,
  fault: BlobFault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (fault?.kind === "status") {
    response.writeHead(fault.status, fault.headers ?? {}).end();
    return;
  }
  const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const offset = first === undefined || fault?.kind === "ignores-range" ? 0 : Number(first);
  if (offset >= bytes.length && offset > 0) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  const part = changed(bytes, fault).subarray(offset);
  const range = `bytes ${offset}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(offset > 0 ? 206 : 200, {
    ...headers,
    "content-length": String(part.length),
    ...(offset > 0
      ? { "content-range": fault?.kind === "lies-about-range" ? fault.contentRange : range }
      : {}),
  });
  if (fault?.kind === "dies") response.write(part.subarray(0, fault.after), () => response.destroy());
  else if (fault?.kind === "hangs") response.write(part.subarray(0, fault.after));
  else response.end(part);
}

function changed(bytes: Buffer, fault: BlobFault | undefined): Buffer {
  if (fault?.kind === "wrong-bit") {
    const copy = Buffer.from(bytes);
    const middle = copy.length >> 1;
    copy[middle] = (copy[middle] ?? 0) ^ 1;
    return copy;
  }
  if (fault?.kind !== "wrong-length") return bytes;
  return fault.by < 0 ? bytes.subarray(0, fault.by) : Buffer.concat([bytes, Buffer.alloc(fault.by)]);
}
