import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { WrennError } from "@wrenn/core";
import type { CapsuleStatus, HostAgent } from "@wrenn/protocol";
import { found } from "../wire/calls.ts";
import { encodeFrame } from "../wire/frames.ts";
import { errorToWire } from "../wire/link-error.ts";
import { BEAT_MS, streams } from "../wire/streams.ts";
import { readArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";

interface Piece {
  readonly value?: unknown;
  readonly payload?: Uint8Array;
}

/** Payloads are cut to this, so that a frame never waits long behind another. */
const PAYLOAD_BYTES = 256 << 10;

/** An answer in pieces, ended by a frame that says so: whatever else ends it is a failure. */
export async function answerStream(work: LinkRequest): Promise<void> {
  const { response, signal } = work;
  const pieces = await open(work);
  response.writeHead(200, { "content-type": "application/octet-stream" });
  response.flushHeaders();
  const beat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encodeFrame({ beat: true }));
  }, BEAT_MS);
  try {
    for await (const { value, payload } of pieces)
      await send(response, { value: value ?? null }, payload, signal);
    response.end(encodeFrame({ end: true }));
  } catch (error) {
    if (!signal.aborted) response.end(encodeFrame({ error: errorToWire(error) }));
  } finally {
    clearInterval(beat);
  }
}

async function open({ agent, path, request, signal }: LinkRequest): Promise<AsyncIterable<Piece>> {
  const name = path[1] ?? "";
  switch (name) {
    case "output": {
      const [id, handle, from] = await readArguments(request, streams.output);
      return outputOf((await found(agent, id, handle, signal)).output(from, signal));
    }
    case "read": {
      const [id, file, options] = await readArguments(request, streams.read);
      const { entry, bytes } = await agent.files(id).read(file, { ...options, signal });
      return withFirst({ value: entry }, cut(bytes));
    }
    case "archive": {
      const [id, directory, options] = await readArguments(request, streams.archive);
      return cut(await agent.files(id).archive(directory, { ...options, signal }));
    }
    case "watch": {
      const [id, file, options] = await readArguments(request, streams.watch);
      const changes = await agent.files(id).watch(file, { recursive: false, ...options, signal });
      return valuesOf(changes);
    }
    case "changes":
      await readArguments(request, streams.changes);
      return valuesOf(changesOf(agent, signal));
    default:
      throw new WrennError("route_not_found", { method: "stream", path: name });
  }
}

async function* outputOf(
  events: ReturnType<Awaited<ReturnType<typeof found>>["output"]>,
): AsyncGenerator<Piece> {
  for await (const event of events) {
    if (event.type === "data") {
      const { bytes, ...header } = event;
      yield { value: header, payload: bytes };
    } else yield { value: event };
  }
}

async function* valuesOf(values: AsyncIterable<unknown>): AsyncGenerator<Piece> {
  for await (const value of values) yield { value };
}

async function* cut(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += PAYLOAD_BYTES)
      yield { payload: chunk.subarray(at, at + PAYLOAD_BYTES) };
}

async function* withFirst(first: Piece, rest: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  yield first;
  yield* rest;
}

/** What everything is now, then every change. Observed before the present is asked for, so that nothing falls in between. */
async function* changesOf(agent: HostAgent, signal: AbortSignal): AsyncGenerator<CapsuleStatus> {
  const waiting: CapsuleStatus[] = [];
  let wake = Promise.withResolvers<void>();
  const end = (): void => wake.resolve();
  const unsubscribe = agent.onChange((status) => {
    waiting.push(status);
    wake.resolve();
  });
  signal.addEventListener("abort", end, { once: true });
  try {
    yield* await agent.listCapsules(signal);
    while (!signal.aborted) {
      if (waiting.length === 0) await wake.promise;
      wake = Promise.withResolvers<void>();
      yield* waiting.splice(0);
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", end);
  }
}

async function send(
  response: ServerResponse,
  header: object,
  payload: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(encodeFrame(header, payload))) await once(response, "drain", { signal });
}
