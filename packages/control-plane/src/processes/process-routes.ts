import { defined, WrennError } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import { constants } from "node:os";
import { Type } from "typebox";
import { answered, findProcess, ProcessParams } from "./find-process.ts";
import { processFacts, ProcessFactsAnswer, processLogs, ProcessLogsAnswer } from "./process-json.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, ErrorSchema, refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { WaitingReply } from "../http/waiting-client.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

const { SIGKILL, SIGTERM } = constants.signals;
/** How long input waits for a process that does not read. */
const INPUT_MS = 10_000;

const ProcessList = Type.Object({
  processes: Type.Array(
    Type.Object({
      pid: Type.Integer(),
      tag: Type.Optional(Type.String()),
      cmd: Type.String(),
      args: Type.Optional(Type.Array(Type.String())),
      terminal: Type.Boolean({ description: "Whether it runs in a terminal" }),
    }),
  ),
});

const SignalBody = Type.Object({
  signal: Type.String({ pattern: "^SIG[A-Z0-9]{1,10}$", description: "Such as SIGINT or SIGUSR1" }),
  scope: Type.Optional(
    Type.Union([Type.Literal("group"), Type.Literal("tree")], {
      description: "The process group (the default), or everything the process started",
    }),
  ),
});

const InputBody = Type.Object({
  data: Type.Optional(Type.String()),
  encoding: Type.Optional(Type.Union([Type.Literal("utf-8"), Type.Literal("base64")])),
  offset: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Place of the first byte of `data` in the whole input: bytes that were taken before are skipped, so that a repeated request writes nothing twice",
    }),
  ),
  close: Type.Optional(Type.Boolean({ description: "Closes standard input after the data" })),
});

const InputRefusal = Type.Object({
  error: Type.Object({
    ...ErrorSchema.properties.error.properties,
    accepted: Type.Optional(Type.Integer({ description: "Bytes of the data that were taken" })),
    expected: Type.Optional(Type.Integer({ description: "Where the input continues" })),
  }),
});

const LogsQuery = Type.Object({
  from: Type.Optional(Type.Integer({ minimum: 0, description: "Offset in standard output" })),
  from_stderr: Type.Optional(Type.Integer({ minimum: 0, description: "Offset in standard error" })),
});

export interface ProcessRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Processes that were started through the API (docs/reference/rest-api.md#processes). */
export function registerProcessRoutes(app: App, { capsules }: ProcessRoutesDeps, base: string): void {
  app.get(
    `${base}/:id/processes`,
    {
      schema: {
        summary: "List live processes",
        tags: ["commands"],
        params: CapsuleParams,
        response: { 200: ProcessList, ...refusals },
      },
    },
    async (request, reply) => {
      const capsule = await capsules.open(teamOf(request), request.params.id);
      const processes = await answered("listing processes", reply, (signal) =>
        capsule.processes.list(signal),
      );
      return {
        processes: processes.map(({ pid, tag, cmd, args, terminal }) => ({
          pid,
          ...defined({ tag }),
          cmd,
          ...(args.length === 0 ? {} : { args: [...args] }),
          terminal,
        })),
      };
    },
  );

  app.delete(
    `${base}/:id/processes/:selector`,
    {
      schema: {
        summary: "End a process and everything it started",
        tags: ["commands"],
        params: ProcessParams,
        querystring: Type.Object({
          signal: Type.Optional(Type.String({ description: "SIGTERM, or anything else for SIGKILL" })),
        }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const capsule = await capsules.open(teamOf(request), request.params.id);
      const number = request.query.signal === "SIGTERM" ? SIGTERM : SIGKILL;
      await answered("ending the process", reply, async (signal) => {
        const process = await capsule.processes.find(request.params.selector, signal);
        await process.kill(number, "tree", signal);
      });
      return await reply.status(204).send(null);
    },
  );

  const find = async (
    request: Parameters<typeof teamOf>[0],
    reply: WaitingReply,
    { id, selector }: { readonly id: string; readonly selector: string },
  ): Promise<CapsuleProcess> => {
    const capsule = await capsules.open(teamOf(request), id);
    await capsule.touch();
    return await findProcess(capsule, selector, reply);
  };

  app.get(
    `${base}/:id/processes/:selector`,
    {
      schema: {
        summary: "Describe a process, also after its end",
        description: "Ended processes are kept for 10 minutes, the newest 100 of them.",
        tags: ["commands"],
        params: ProcessParams,
        response: { 200: ProcessFactsAnswer, ...refusals },
      },
    },
    async (request, reply) => {
      const process = await find(request, reply, request.params);
      return processFacts(process.facts);
    },
  );

  app.get(
    `${base}/:id/processes/:selector/logs`,
    {
      schema: {
        summary: "Read what a process has printed, also after its end",
        description:
          "The newest 1 MiB of each stream is kept. `offset` says where the data begins, `next` where to read on; an offset later than asked means that the bytes between were dropped. Once there is an `exit`, `next` is the end of the output.",
        tags: ["commands"],
        params: ProcessParams,
        querystring: LogsQuery,
        response: { 200: ProcessLogsAnswer, ...refusals },
      },
    },
    async (request, reply) => {
      const process = await find(request, reply, request.params);
      const { from: stdout = 0, from_stderr: stderr = 0 } = request.query;
      const asked = { stdout, stderr };
      // Read before the output: with an exit, what is held is all there is.
      const { exit } = process.facts;
      const held = await answered("reading the output", reply, (signal) => process.held(asked, signal));
      return processLogs(held, asked, exit);
    },
  );

  app.post(
    `${base}/:id/processes/:selector/input`,
    {
      schema: {
        summary: "Write to a process's standard input",
        description:
          "204 when the capsule has taken all of it. What is not taken within 10 seconds, because the process does not read, is 409 `input_not_read` with `accepted`, how many bytes of the data were taken: the rest is never delivered, and may be sent again. With `offset` a request can be repeated: 409 `input_offset_differs` with `expected` when bytes before it are missing.",
        tags: ["commands"],
        params: ProcessParams,
        body: InputBody,
        response: { 204: Type.Null(), 409: InputRefusal, ...refusals },
      },
    },
    async (request, reply) => {
      const process = await find(request, reply, request.params);
      const { data = "", encoding = "utf-8", offset, close = false } = request.body;
      const signal = AbortSignal.any([AbortSignal.timeout(INPUT_MS), waitingClient(reply).left]);
      const bytes = Buffer.from(data, encoding);
      if (offset === undefined) {
        if (bytes.length > 0) await process.write(bytes, signal);
      } else {
        const refind = async (): Promise<CapsuleProcess> => await find(request, reply, request.params);
        await writeOnce(process, { bytes, offset, refind }, signal);
        void reply.header("input-offset", offset + bytes.length);
      }
      if (close) await closeAfter(process, bytes.length, signal);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    `${base}/:id/processes/:selector/signal`,
    {
      schema: {
        summary: "Send a signal",
        tags: ["commands"],
        params: ProcessParams,
        body: SignalBody,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { signal: name, scope = "group" } = request.body;
      const number = Object.entries(constants.signals).find(([known]) => known === name)?.[1];
      if (number === undefined)
        throw new WrennError("invalid_field", { field: "signal", problem: `is no signal of Linux: ${name}` });
      const process = await find(request, reply, request.params);
      await answered("sending the signal", reply, (signal) => process.kill(number, scope, signal));
      return await reply.status(204).send(null);
    },
  );
}

interface PlacedInput {
  readonly bytes: Buffer;
  readonly offset: number;
  /** The process by the same selector, as it is now. */
  readonly refind: () => Promise<CapsuleProcess>;
}

/** Writes what was not taken before. An input that is closed, or whose process has exited, may have taken all of it. */
async function writeOnce(
  process: CapsuleProcess,
  { bytes, offset, refind }: PlacedInput,
  signal: AbortSignal,
): Promise<void> {
  try {
    await process.write(bytes, signal, offset);
  } catch (error) {
    if (!WrennError.is(error, "stdin_closed")) throw error;
    const { pid, startedAt, inputOffset = 0 } = (await refind()).facts;
    const isSame = pid === process.facts.pid && startedAt === process.facts.startedAt;
    if (!isSame || inputOffset < offset + bytes.length) throw error;
  }
}

/** Closes the input after `bytes` bytes that were taken. */
async function closeAfter(process: CapsuleProcess, bytes: number, signal: AbortSignal): Promise<void> {
  try {
    await process.closeInput(signal);
  } catch (error) {
    if (!WrennError.is(error, "input_not_read")) throw error;
    const selector = process.facts.tag ?? String(process.facts.pid);
    throw new WrennError("input_not_read", { selector, accepted: bytes, bytes }, { cause: error });
  }
}
