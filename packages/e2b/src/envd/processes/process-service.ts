import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { defined, withDeadline } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import {
  CloseStdinResponseSchema,
  ConnectResponseSchema,
  ListResponseSchema,
  SendInputResponseSchema,
  SendSignalResponseSchema,
  Signal,
  StartResponseSchema,
  StreamInputResponseSchema,
  UpdateResponseSchema,
} from "../generated/process_pb.ts";
import type { Process, ProcessInput } from "../generated/process_pb.ts";
import { silenceOf } from "../rpc/keepalive.ts";
import { callOf } from "../rpc/rpc-call.ts";
import { processEvents } from "./process-events.ts";
import { readNote } from "./process-note.ts";
import { selectLive, selectProcess } from "./select-process.ts";
import { sizeOf, startFor } from "./start-request.ts";

const ANSWER_MS = 30_000;
/** Tags that the platform gives to processes that were started without one. */
const OWN_TAG = /^(?:proc|pty)-[0-9a-f]{8}$/;

/** Processes of a sandbox. */
export const processService: ServiceImpl<typeof Process> = {
  async *start(request, context) {
    const process = await startFor(request, callOf(context), context);
    for await (const event of processEvents(process, { from: "oldest", ...streamOptions(context) }))
      yield create(StartResponseSchema, { event });
  },

  async *connect(request, context) {
    const { sandbox } = callOf(context);
    const process = await selectProcess(sandbox.processes, request.process, context.signal);
    for await (const event of processEvents(process, { from: "now", ...streamOptions(context) }))
      yield create(ConnectResponseSchema, { event });
  },

  async list(_request, context) {
    const { sandbox } = callOf(context);
    const processes = await answered("listing processes", context, (signal) =>
      sandbox.processes.list(signal),
    );
    return create(ListResponseSchema, {
      processes: processes.map((facts) => {
        const { pid, tag = "", cmd, args } = facts;
        return {
          config: { cmd, args: [...args], ...readNote(facts) },
          pid,
          ...defined({ tag: OWN_TAG.test(tag) ? undefined : tag }),
        };
      }),
    });
  },

  async update(request, context) {
    const process = await live(request, context);
    const { pty } = request;
    if (pty) {
      const { cols, rows } = sizeOf(pty);
      await answered("resizing the terminal", context, (signal) => process.resize(cols, rows, signal));
    }
    return create(UpdateResponseSchema);
  },

  async sendInput(request, context) {
    const process = await live(request, context);
    await write(process, request.input, context.signal);
    return create(SendInputResponseSchema);
  },

  async streamInput(requests, context) {
    let process: CapsuleProcess | undefined;
    for await (const { event } of requests) {
      if (event.case === "start") process = await live(event.value, context);
      else if (event.case === "data") {
        if (!process) throw new ConnectError("the first event must be start", Code.InvalidArgument);
        await write(process, event.value.input, context.signal);
      }
    }
    return create(StreamInputResponseSchema);
  },

  async sendSignal(request, context) {
    const { signal: number } = request;
    if (number !== Signal.SIGKILL && number !== Signal.SIGTERM)
      throw new ConnectError("signal must be SIGNAL_SIGTERM or SIGNAL_SIGKILL", Code.InvalidArgument);
    const process = await live(request, context);
    await answered("sending the signal", context, (signal) => process.kill(number, "group", signal));
    return create(SendSignalResponseSchema);
  },

  async closeStdin(request, context) {
    const process = await live(request, context);
    await process.closeInput(context.signal);
    return create(CloseStdinResponseSchema);
  },
};

function streamOptions({ requestHeader, signal }: HandlerContext): {
  readonly silenceMs: number;
  readonly signal: AbortSignal;
} {
  return { silenceMs: silenceOf(requestHeader), signal };
}

async function live(
  { process }: { readonly process?: Parameters<typeof selectLive>[1] },
  context: HandlerContext,
): Promise<CapsuleProcess> {
  return await selectLive(callOf(context).sandbox.processes, process, context.signal);
}

async function answered<T>(
  what: string,
  { signal }: HandlerContext,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await withDeadline(what, ANSWER_MS, signal, ask);
}

/** Waits as long as the client does: a process may be slow to read. */
async function write(
  process: CapsuleProcess,
  input: ProcessInput | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (!input || input.input.case === undefined)
    throw new ConnectError("input is required", Code.InvalidArgument);
  const { case: kind, value } = input.input;
  if (process.facts.terminal !== (kind === "pty"))
    throw new ConnectError(
      kind === "pty" ? "the process has no terminal" : "the process has a terminal: send its input as pty",
      Code.FailedPrecondition,
    );
  if (value.length > 0) await process.write(value, signal);
}
