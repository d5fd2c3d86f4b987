/** What a request can send. A function gives a new body for each attempt; other streams can be sent once. */
export type RequestBody =
  | string
  | Uint8Array<ArrayBuffer>
  | Blob
  | ReadableStream<Uint8Array>
  | (() => RequestBody | Promise<RequestBody>);

/** Whether the body can be sent again after a failure. */
export function isRepeatable(body: RequestBody | undefined): boolean {
  return !(body instanceof ReadableStream);
}

/** The body of one attempt. */
export async function bodyOfAttempt(
  body: RequestBody | undefined,
): Promise<Exclude<RequestBody, () => unknown> | undefined> {
  let value = body;
  while (typeof value === "function") value = await value();
  return value;
}
