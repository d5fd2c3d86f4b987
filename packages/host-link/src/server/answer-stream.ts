import { Bell, WrennError } from "@wrenn/core";
import type { CapsuleStatus, ListeningPorts } from "@wrenn/protocol";
import { found } from "../wire/calls.ts";
import { streams } from "../wire/streams.ts";
import { readArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";
import { sendPieces } from "./send-pieces.ts";
import type { AnswerPiece } from "./send-pieces.ts";

/** Payloads are cut to this, so that a frame never waits long behind another. */
const PAYLOAD_BYTES = 256 << 10;

/** An answer in pieces, ended by a frame that says so: whatever else ends it is a failure. */
export async function answerStream(work: LinkRequest): Promise<void> {
  await sendPieces(work.response, await open(work), work.signal);
}

async function open({ agent, path, request, signal }: LinkRequest): Promise<AsyncIterable<AnswerPiece>> {
  const name = path[1] ?? "";
  switch (name) {
    case "output": {
      const [id, handle, from] = await readArguments(request, streams.output);
      return outputOf((await found(agent, id, handle, signal)).output(from, signal));
    }
    case "read": {
      const [id, file, options] = await readArguments(request, streams.read);
      const { bytes, ...opened } = await agent.files(id).read(file, { ...options, signal });
      return withFirst({ value: opened }, cut(bytes));
    }
    case "archive": {
      const [id, directory, options] = await readArguments(request, streams.archive);
      return cut(await agent.files(id).archive(directory, { ...options, signal }));
    }
    case "template-part": {
      const [range] = await readArguments(request, streams["template-part"]);
      return cut(await agent.readTemplatePart(range, signal));
    }
    case "watch": {
      const [id, file, options] = await readArguments(request, streams.watch);
      const changes = await agent.files(id).watch(file, { recursive: false, ...options, signal });
      return valuesOf(changes);
    }
    case "changes":
      await readArguments(request, streams.changes);
      return valuesOf(
        observed(
          (observer: (status: CapsuleStatus) => void) => agent.onChange(observer),
          signal,
          () => agent.listCapsules(signal),
        ),
      );
    case "listeners":
      await readArguments(request, streams.listeners);
      return valuesOf(
        observed((observer: (ports: ListeningPorts) => void) => agent.onListeners(observer), signal),
      );
    default:
      throw new WrennError("route_not_found", { method: "stream", path: name });
  }
}

async function* outputOf(
  events: ReturnType<Awaited<ReturnType<typeof found>>["output"]>,
): AsyncGenerator<AnswerPiece> {
  for await (const event of events) {
    if (event.type === "data") {
      const { bytes, ...header } = event;
      yield { value: header, payload: bytes };
    } else yield { value: event };
  }
}

async function* valuesOf(values: AsyncIterable<unknown>): AsyncGenerator<AnswerPiece> {
  for await (const value of values) yield { value };
}

async function* cut(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<AnswerPiece> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += PAYLOAD_BYTES)
      yield { payload: chunk.subarray(at, at + PAYLOAD_BYTES) };
}

async function* withFirst(first: AnswerPiece, rest: AsyncIterable<AnswerPiece>): AsyncGenerator<AnswerPiece> {
  yield first;
  yield* rest;
}

/** How everything is now, then every change. Observed before the present is asked for, so that nothing falls in between. */
async function* observed<T>(
  observe: (observer: (value: T) => void) => () => void,
  signal: AbortSignal,
  present: () => Promise<readonly T[]> = async () => [],
): AsyncGenerator<T> {
  const waiting: T[] = [];
  const bell = new Bell();
  const end = (): void => bell.ring();
  const unsubscribe = observe((value) => {
    waiting.push(value);
    bell.ring();
  });
  signal.addEventListener("abort", end, { once: true });
  try {
    yield* await present();
    while (!signal.aborted) {
      if (waiting.length === 0) await bell.next;
      yield* waiting.splice(0);
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", end);
  }
}
