import { Type } from "typebox";
import type { CapsuleProcess } from "@wrenn/protocol";
import { EnvironmentBody, validateCommandText } from "../http/command-text.ts";
import { LimitsBody, processLimits } from "./process-limits.ts";
import { COMMAND_PATIENCE_MS } from "../capsules/running-capsules.ts";
import { processTag } from "./process-tag.ts";
import { foregroundJson, waitedJson } from "./exec-json.ts";
import { startLasting, waitFor } from "./run-waiting.ts";
import { runForeground } from "./run-foreground.ts";
import { teamOf } from "../http/app.ts";
import { asPhase } from "../http/current-phases.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { SocketStates } from "../http/web-sockets.ts";
import { isWithoutGuest } from "../http/without-guest.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";
import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";

const DEFAULT_TIMEOUT_SEC = 30;
export const MAX_TIMEOUT_SEC = 86_400;
const MAX_WAIT_SEC = 600;

const ExecBody = Type.Object(
  {
    cmd: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: "Program, found through PATH; no shell is involved",
    }),
    args: Type.Optional(Type.Array(Type.String(), { maxItems: 10_000 })),
    timeout_sec: Type.Optional(
      Type.Integer({
        maximum: MAX_TIMEOUT_SEC,
        description: "0 or less: 30; no limit in the background and with `wait_sec`",
      }),
    ),
    background: Type.Optional(Type.Boolean()),
    wait_sec: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_WAIT_SEC,
        description:
          "The command outlives its request: the answer is 200 when it ends within this time, else 202. Not with `background`",
      }),
    ),
    tag: Type.Optional(
      Type.String({
        description:
          "In the background and with `wait_sec`: 1 to 256 bytes without control characters that are not all digits; empty: one is chosen",
      }),
    ),
    envs: Type.Optional(EnvironmentBody),
    cwd: Type.Optional(Type.String({ maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    limits: Type.Optional(LimitsBody),
    stdin: Type.Optional(
      Type.Boolean({
        description: "In the background and with `wait_sec`: keep standard input open for POST …/input",
      }),
    ),
  },
  { examples: [{ cmd: "python3", args: ["-c", "print(6*7)"] }] },
);

const Offsets = Type.Object(
  { stdout: Type.Integer(), stderr: Type.Integer() },
  { description: "With `wait_sec`: how far each stream was read, in bytes, including what was left out" },
);

const ExecAnswer = Type.Object({
  sandbox_id: Type.String(),
  cmd: Type.String(),
  stdout: Type.String(),
  stderr: Type.String(),
  exit_code: Type.Integer({ description: "The program's own, 128 + signal, or 124 when its time was up" }),
  duration_ms: Type.Integer(),
  encoding: Type.String({ description: "utf-8, or base64 for both streams when either is not valid UTF-8" }),
  signal: Type.Optional(Type.Integer({ description: "Signal that ended it" })),
  timed_out: Type.Optional(
    Type.Boolean({ description: "Its time was up; the output is what it had printed" }),
  ),
  truncated: Type.Optional(
    Type.Boolean({
      description:
        "Output beyond the limit of a stream was left out; without `wait_sec` the last line of stderr says so",
    }),
  ),
  pid: Type.Optional(Type.Integer({ description: "With `wait_sec`" })),
  tag: Type.Optional(Type.String({ description: "With `wait_sec`" })),
  next: Type.Optional(Offsets),
});

const BackgroundAnswer = Type.Object({
  sandbox_id: Type.String(),
  cmd: Type.String(),
  pid: Type.Integer(),
  tag: Type.String(),
  stdout: Type.Optional(Type.String({ description: "With `wait_sec`, as the following: output so far" })),
  stderr: Type.Optional(Type.String()),
  encoding: Type.Optional(Type.String({ description: "As in the answer 200" })),
  next: Type.Optional(Offsets),
  truncated: Type.Optional(
    Type.Boolean({ description: "Output before `next` was left out: beyond the limit, or not kept" }),
  ),
});

export interface ExecRoutesDeps {
  readonly capsules: CapsuleOpener;
  readonly states: Pick<SocketStates, "explain">;
  /** Bytes that a foreground command's answer keeps of each stream. */
  readonly execOutputBytes: number;
  /** Aborts when the control plane closes: answers that wait are given then. */
  readonly closing: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Commands (docs/reference/rest-api.md#commands). */
export function registerExecRoutes(
  app: App,
  { capsules, states, execOutputBytes, closing, clock, logger }: ExecRoutesDeps,
  base: string,
): void {
  app.post(
    `${base}/:id/exec`,
    {
      config: { timing: { observedAs: "exec" } },
      schema: {
        summary: "Run a command",
        description:
          "In the foreground: answers when the command has ended. A command whose time is up is ended with everything it started, and the answer carries `timed_out`. " +
          "In the background: answers 202 at once. With `wait_sec`: answers 200 when the command ends within that time, else 202 with the output so far, and GET …/processes/{tag}/output continues from `next`. 400 for a bad field, a missing cwd or user; 404; 409 when the capsule is not running.",
        tags: ["commands"],
        params: CapsuleParams,
        body: ExecBody,
        response: { 200: ExecAnswer, 202: BackgroundAnswer, ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const {
        cmd,
        args = [],
        envs = {},
        cwd,
        user,
        tag: given,
        background = false,
        wait_sec: waitSec,
        stdin = false,
        limits,
        timeout_sec: timeoutSec = 0,
      } = request.body;
      validateCommandText({ cmd, args, envs });
      if (background && waitSec !== undefined)
        throw new WrennError("invalid_field", {
          field: "wait_sec",
          problem: "must be left out with background: the answer never waits",
        });
      const isLasting = background || waitSec !== undefined;
      // A plain foreground command ends with its request: nothing could address it.
      const tag = isLasting ? processTag(given) : undefined;
      const capsule = await asPhase("capsule", () => capsules.open(teamOf(request), id, COMMAND_PATIENCE_MS));
      request.recordBegin?.();
      const { processes } = capsule;
      // A client that leaves takes its command with it, in the background until that has started.
      const { left } = waitingClient(reply);
      const command = {
        cmd,
        args,
        envs,
        ...defined({ cwd, user, limits: limits && processLimits(limits) }),
      };
      const touch = (): void => {
        capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
      };
      if (isLasting) {
        const timeoutMs = timeoutSec > 0 ? timeoutSec * 1000 : undefined;
        const lasting = { ...command, ...defined({ tag, timeoutMs }), stdin };
        if (waitSec === undefined) {
          const process = await asPhase("guest", () =>
            startLasting(processes, { ...lasting, output: "detached" }, left),
          );
          await capsule.touch();
          return await reply.status(202).send({ sandbox_id: id, cmd, ...identityOf(process) });
        }
        left.throwIfAborted();
        // From here on a client that leaves may ask for the command by its tag, which no other command gets while this one is known.
        const process = await asPhase("guest", () =>
          startLasting(processes, { ...lasting, output: "paced", unusedTag: true }),
        );
        touch();
        const waited = await waitFor(
          process,
          waitSec * 1000,
          { limit: execOutputBytes, work: request.work },
          clock,
          AbortSignal.any([left, closing]),
        ).catch(async (error: unknown) => {
          throw isWithoutGuest(error) ? await states.explain(teamOf(request), id, error, left) : error;
        });
        touch();
        const { status, body } = waitedJson(waited);
        return await reply.status(status).send({ sandbox_id: id, cmd, ...identityOf(process), ...body });
      }
      const result = await runForeground(
        processes,
        {
          ...command,
          timeoutSec: timeoutSec > 0 ? timeoutSec : DEFAULT_TIMEOUT_SEC,
          outputBytes: execOutputBytes,
          ...defined({ work: request.work }),
        },
        clock,
        left,
      );
      touch();
      return await reply
        .status(200)
        .send({ sandbox_id: id, cmd, ...foregroundJson(result, execOutputBytes) });
    },
  );
}

function identityOf(process: CapsuleProcess): { readonly pid: number; readonly tag: string } {
  return { pid: process.facts.pid, tag: process.facts.tag ?? String(process.facts.pid) };
}
