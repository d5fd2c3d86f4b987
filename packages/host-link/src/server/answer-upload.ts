import { decodeFrames } from "../wire/frames.ts";
import type { LinkFrame } from "../wire/frames.ts";
import { End, UploadArguments } from "../wire/streams.ts";
import { encodeValue } from "../wire/values.ts";
import { Value } from "typebox/value";
import { checkArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";

/** A file that arrives as frames: what it is, its content, and the word that it is complete. Anything else leaves the old file. */
export async function answerUpload({ agent, request, response, signal }: LinkRequest): Promise<void> {
  const frames = decodeFrames(request as AsyncIterable<Uint8Array>);
  const first = await frames.next();
  const [id, path, options] = checkArguments(first.done ? undefined : first.value.header, UploadArguments);
  const entry = await agent.files(id).write(path, contentOf(frames), { ...options, signal });
  response.writeHead(200, { "content-type": "application/json" });
  response.end(encodeValue({ value: entry }));
}

async function* contentOf(frames: AsyncGenerator<LinkFrame>): AsyncGenerator<Uint8Array> {
  for await (const { header, payload } of frames) {
    if (Value.Check(End, header)) return;
    yield payload;
  }
  throw new Error("the upload was cut off");
}
