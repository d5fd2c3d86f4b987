import { errorOfEnvelope } from "../errors/error-of-answer.ts";
import { WrennError } from "../errors/wrenn-error.ts";
import { connectionLost } from "../transport/answer.ts";
import { resume } from "../transport/resumable.ts";
import type { CommandExit, OutputEvent, OutputStream } from "./output-events.ts";
import { FrameParser } from "./output-frames.ts";
import type { OutputFrame } from "./output-frames.ts";
import type { ProcessApi } from "./process-api.ts";

/** Media type of a body of frames. */
const OUTPUT_TYPE = "application/vnd.wrenn.output";

/** A reader's place in the output of a process. */
export type OutputPosition = { -readonly [Stream in OutputStream]: number };

/**
 * The output of a process from `position` on, over as many connections as it takes; `position` moves with it. The next event is
 * asked for when the one before is dealt with, so that a slow consumer slows the server down.
 *
 * @throws WrennError `stream_lost`; `process_not_found`; `capsule_not_found` and others of the server; the signal's reason.
 */
export async function* followOutput(
  api: ProcessApi,
  selector: string,
  position: OutputPosition,
  signal: AbortSignal | undefined,
): AsyncGenerator<OutputEvent, void, undefined> {
  const path = api.path(selector, "/output");
  yield* resume<OutputEvent>({
    what: `the output of process ${selector}`,
    path,
    settings: api.http.settings,
    signal,
    hasBegun: true,
    open: (inner) => connection(api, path, position, inner),
  });
}

async function* connection(
  { http }: ProcessApi,
  path: string,
  position: OutputPosition,
  signal: AbortSignal,
): AsyncGenerator<OutputEvent | undefined, void, undefined> {
  const answer = await http.request("GET", path, {
    query: { from: position.stdout, from_stderr: position.stderr },
    headers: { accept: OUTPUT_TYPE },
    signal,
    // The caller resumes, and counts its attempts.
    isSafeToRepeat: false,
  });
  // The head is a sign of life.
  yield undefined;
  const parser = new FrameParser();
  for await (const chunk of answer.chunks()) {
    yield undefined;
    for (const frame of framesOf(parser, chunk, answer.what)) {
      const event = eventOf(frame, position);
      if (event === undefined) continue;
      yield event;
      if (event.type === "exit") return;
    }
  }
  throw connectionLost(answer.what, new Error("the output ended without an exit"));
}

function* framesOf(parser: FrameParser, chunk: Uint8Array, what: string): Generator<OutputFrame> {
  try {
    yield* parser.push(chunk);
  } catch (error) {
    throw invalidFrame(what, error);
  }
}

/** What a frame means to the consumer, whose position it moves. @throws WrennError of an error frame. */
function eventOf(frame: OutputFrame, position: OutputPosition): OutputEvent | undefined {
  if (frame.kind === "stdout" || frame.kind === "stderr") {
    position[frame.kind] += frame.bytes.length;
    return { type: "data", stream: frame.kind, bytes: frame.bytes };
  }
  if (frame.kind === "dropped") {
    const { stream, next } = frame.value as { readonly stream: OutputStream; readonly next: number };
    const bytes = next - position[stream];
    position[stream] = next;
    return { type: "dropped", stream, bytes };
  }
  if (frame.kind === "exit") return { type: "exit", exit: exitOf(frame.value) };
  if (frame.kind === "error")
    throw errorOfEnvelope(frame.value as { readonly error: Readonly<Record<string, unknown>> });
  return undefined;
}

/** An exit as frames and answers have it. */
export function exitOf(value: {
  readonly exit_code?: unknown;
  readonly signal?: unknown;
  readonly timed_out?: unknown;
}): CommandExit {
  const { exit_code: exitCode, signal, timed_out: timedOut } = value;
  return {
    exitCode: Number(exitCode),
    ...(typeof signal === "number" ? { signal } : {}),
    isTimedOut: timedOut === true,
  };
}

function invalidFrame(what: string, cause: unknown): WrennError {
  return new WrennError(
    {
      code: "invalid_answer",
      message: `${what} was answered with something that is not an output stream`,
      remedy: "Check the URL, and what proxies between here and the server answer.",
    },
    { cause },
  );
}
