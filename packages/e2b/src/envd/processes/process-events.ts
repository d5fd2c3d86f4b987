import { create } from "@bufbuild/protobuf";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import {
  ProcessEvent_DataEventSchema,
  ProcessEvent_EndEventSchema,
  ProcessEvent_KeepAliveSchema,
  ProcessEvent_StartEventSchema,
  ProcessEventSchema,
} from "../generated/process_pb.ts";
import type { ProcessEvent } from "../generated/process_pb.ts";
import { withKeepalive } from "../rpc/keepalive.ts";
import { exitStatusOf } from "./exit-status.ts";

/** Where a stream of events begins, and how long it may be silent. */
export interface EventStreamOptions {
  readonly from: OutputStart;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** The events of a process, `start` first, and a keepalive after each silence. Not taking the next one slows the process down. */
export async function* processEvents(
  process: CapsuleProcess,
  { from, silenceMs, signal }: EventStreamOptions,
): AsyncGenerator<ProcessEvent, void> {
  const { pid } = process.facts;
  yield create(ProcessEventSchema, {
    event: { case: "start", value: create(ProcessEvent_StartEventSchema, { pid }) },
  });
  yield* withKeepalive(outputEvents(process, from, signal), silenceMs, () =>
    create(ProcessEventSchema, { event: { case: "keepalive", value: create(ProcessEvent_KeepAliveSchema) } }),
  );
}

async function* outputEvents(
  process: CapsuleProcess,
  from: OutputStart,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  for await (const event of process.output(from, signal)) {
    if (event.type === "data") {
      const value = event.bytes;
      const source = process.facts.terminal ? "pty" : event.stream;
      const data = create(ProcessEvent_DataEventSchema, { output: { case: source, value } });
      yield create(ProcessEventSchema, { event: { case: "data", value: data } });
    } else if (event.type === "exit") {
      const end = create(ProcessEvent_EndEventSchema, exitStatusOf(event.exit));
      yield create(ProcessEventSchema, { event: { case: "end", value: end } });
    }
  }
}
