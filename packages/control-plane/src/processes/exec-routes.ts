import { Type } from "typebox";
import type { CapsuleProcess } from "@wrenn/protocol";
import { EnvironmentBody, validateCommandText } from "./command-text.ts";
import { LimitsBody, processLimits } from "./process-limits.ts";
import { COMMAND_PATIENCE_MS } from "../capsules/running-capsules.ts";
import { startProcess } from "./start-process.ts";
import { runForeground } from "./run-foreground.ts";
import type { ExecResult } from "./run-foreground.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";
import { defined, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";

const DEFAULT_TIMEOUT_SEC = 30;
const MAX_TIMEOUT_SEC = 86_400;

const ExecBody = Type.Object(
  {
    cmd: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: "Program, found through PATH; no shell is involved",
    }),
    args: Type.Optional(Type.Array(Type.String(), { maxItems: 10_000 })),
    timeout_sec: Type.Optional(Type.Integer({ maximum: MAX_TIMEOUT_SEC, description: "0 or less: 30" })),
    background: Type.Optional(Type.Boolean()),
    tag: Type.Optional(Type.String({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$" })),
    envs: Type.Optional(EnvironmentBody),
    cwd: Type.Optional(Type.String({ maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    limits: Type.Optional(LimitsBody),
    stdin: Type.Optional(
      Type.Boolean({ description: "Background only: keep standard input open for POST …/input" }),
    ),
  },
  { examples: [{ cmd: "python3", args: ["-c", "print(6*7)"] }] },
);

const ExecAnswer = Type.Object({
  sandbox_id: Type.String(),
  cmd: Type.String(),
  stdout: Type.String(),
  stderr: Type.String(),
  exit_code: Type.Integer({ description: "The program's own, or 128 + signal" }),
  duration_ms: Type.Integer(),
  encoding: Type.String({ description: "utf-8, or base64 for both streams when either is not valid UTF-8" }),
  signal: Type.Optional(Type.Integer({ description: "Signal that ended it" })),
  timed_out: Type.Optional(
    Type.Boolean({ description: "Its time was up; the output is what it had printed" }),
  ),
  truncated: Type.Optional(Type.Boolean({ description: "Output beyond 8 MiB per stream was left out" })),
});

const BackgroundAnswer = Type.Object({
  sandbox_id: Type.String(),
  cmd: Type.String(),
  pid: Type.Integer(),
  tag: Type.String(),
});

export interface ExecRoutesDeps {
  readonly capsules: CapsuleOpener;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Commands (docs/reference/rest-api.md#commands). */
export function registerExecRoutes(
  app: App,
  { capsules, clock, logger }: ExecRoutesDeps,
  base: string,
): void {
  app.post(
    `${base}/:id/exec`,
    {
      schema: {
        summary: "Run a command",
        description:
          "In the foreground: answers when the command has ended. A command whose time is up is ended with everything it started, and the answer carries `timed_out`. " +
          "In the background: answers 202 at once. 400 for a bad field, a missing cwd or user; 404; 409 when the capsule is not running.",
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
        tag,
        background = false,
        stdin = false,
        limits,
        timeout_sec: timeoutSec = 0,
      } = request.body;
      validateCommandText({ cmd, args, envs });
      const capsule = await capsules.open(teamOf(request), id, COMMAND_PATIENCE_MS);
      request.recordBegin?.();
      const where = {
        ...defined({ cwd, user, limits: limits && processLimits(limits) }),
      };
      const { processes } = capsule;
      // A client that leaves takes its command with it, in the background until that has started.
      const { left } = waitingClient(reply);
      if (background) {
        const process = await startProcess(
          processes,
          { cmd, args, envs, ...where, ...defined({ tag }), stdin, output: "detached" },
          left,
        );
        await capsule.touch();
        return await reply.status(202).send({ sandbox_id: id, cmd, ...identityOf(process) });
      }
      const result = await runForeground(
        processes,
        {
          cmd,
          args,
          envs,
          ...where,
          timeoutSec: timeoutSec > 0 ? timeoutSec : DEFAULT_TIMEOUT_SEC,
          ...defined({ work: request.work }),
        },
        clock,
        left,
      );
      capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
      return await reply.status(200).send({ sandbox_id: id, cmd, ...execJson(result) });
    },
  );
}

function identityOf(process: CapsuleProcess): { readonly pid: number; readonly tag: string } {
  return { pid: process.facts.pid, tag: process.facts.tag ?? String(process.facts.pid) };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** From this size on, text that JSON would make more than twice as long is given as base64. */
const COSTLY_FROM = 1 << 20;

/** Whether much of the output are control characters, each of which JSON writes as six. */
function isCostlyText(...streams: readonly Buffer[]): boolean {
  let [bytes, controls] = [0, 0];
  for (const stream of streams) {
    bytes += stream.length;
    if (stream.length < COSTLY_FROM / 2) continue;
    for (const byte of stream) if (byte < 0x20 && (byte < 0x08 || byte > 0x0d)) controls++;
  }
  return bytes >= COSTLY_FROM && controls * 5 > bytes;
}

/** Both streams as text, or both as base64 when either is no text, or its text would be much longer. */
function execJson(result: ExecResult) {
  const rest = {
    exit_code: result.exit.exitCode,
    duration_ms: result.durationMs,
    ...defined({ signal: result.exit.signal }),
    ...(result.timedOut ? { timed_out: true } : {}),
    ...(result.truncated ? { truncated: true } : {}),
  };
  try {
    if (isCostlyText(result.stdout, result.stderr)) throw new Error("base64 is shorter");
    return {
      stdout: utf8.decode(result.stdout),
      stderr: utf8.decode(result.stderr),
      ...rest,
      encoding: "utf-8",
    };
  } catch {
    return {
      stdout: result.stdout.toString("base64"),
      stderr: result.stderr.toString("base64"),
      ...rest,
      encoding: "base64",
    };
  }
}
