import { decodeFrames } from "../wire/frames.ts";
import type { LinkFrame } from "../wire/frames.ts";
import { AppendArguments, End, ImageArguments, PartArguments, UploadArguments } from "../wire/streams.ts";
import { encodeValue } from "../wire/values.ts";
import { Value } from "typebox/value";
import { checkArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";

/** A file that arrives as frames: what it is, its content, and the word that it is complete. Anything else leaves the old file. */
export async function answerUpload(work: LinkRequest): Promise<void> {
  const { agent, request, signal } = work;
  const frames = decodeFrames(request as AsyncIterable<Uint8Array>);
  const [id, path, options] = checkArguments(await firstHeader(frames), UploadArguments);
  respond(work, await agent.files(id).write(path, contentOf(frames), { ...options, signal }));
}

/** The same of a part of an upload that is continued: one that is cut off keeps what arrived of it. */
export async function answerAppend(work: LinkRequest): Promise<void> {
  const { agent, request, signal } = work;
  const frames = decodeFrames(request as AsyncIterable<Uint8Array>);
  const [id, upload, offset, options] = checkArguments(await firstHeader(frames), AppendArguments);
  const { uploads } = agent.files(id);
  respond(work, await uploads.append(upload, offset, contentOf(frames), { ...options, signal }));
}

/** The same of an archive of images. */
export async function answerImage(work: LinkRequest): Promise<void> {
  const { agent, request, signal } = work;
  const frames = decodeFrames(request as AsyncIterable<Uint8Array>);
  const [id] = checkArguments(await firstHeader(frames), ImageArguments);
  await agent.receiveImage(id, contentOf(frames), signal);
  respond(work, undefined);
}

/** A part of a template that is copied: one that is cut off keeps what arrived of it. */
export async function answerPart(work: LinkRequest): Promise<void> {
  const { agent, request, signal } = work;
  const frames = decodeFrames(request as AsyncIterable<Uint8Array>);
  const [range] = checkArguments(await firstHeader(frames), PartArguments);
  respond(work, await agent.writeTemplatePart(range, contentOf(frames), signal));
}

async function firstHeader(frames: AsyncGenerator<LinkFrame>): Promise<unknown> {
  const first = await frames.next();
  return first.done === true ? undefined : first.value.header;
}

function respond({ response }: LinkRequest, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(encodeValue({ value }));
}

async function* contentOf(frames: AsyncGenerator<LinkFrame>): AsyncGenerator<Uint8Array> {
  for await (const { header, payload } of frames) {
    if (Value.Check(End, header)) return;
    yield payload;
  }
  throw new Error("the upload was cut off");
}
