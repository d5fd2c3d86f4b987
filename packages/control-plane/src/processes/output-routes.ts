import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { Type } from "typebox";
import { COMMAND_PATIENCE_MS } from "../capsules/running-capsules.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { SESSION_BYTES, STALL_MS } from "../http/client-socket.ts";
import { toWire } from "../http/envelope.ts";
import { HEARTBEAT_MS } from "../http/heartbeat.ts";
import { LastingAnswer } from "../http/lasting-answer.ts";
import type { PendingWork } from "../http/pending-work.ts";
import { refusals } from "../http/schemas.ts";
import { isWithoutGuest } from "../http/without-guest.ts";
import type { SocketStates } from "../http/web-sockets.ts";
import { findProcess, ProcessParams } from "./find-process.ts";
import { forwardOutput } from "./forward-output.ts";
import { FramedOutput } from "./framed-output.ts";
import { OUTPUT_TYPE } from "./output-frames.ts";

const OutputQuery = Type.Object({
  from: Type.Optional(
    Type.String({
      pattern: String.raw`^(oldest|\d{1,15})$`,
      description: "Offset in standard output, or `oldest` (default)",
      examples: ["0"],
    }),
  ),
  from_stderr: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "Offset in standard error; default: 0",
    }),
  ),
  capsule_events: Type.Optional(
    Type.Boolean({ description: "Frames when the status of the capsule changes" }),
  ),
});

export interface OutputRoutesDeps {
  readonly capsules: CapsuleOpener;
  readonly states: SocketStates;
  /** Sessions that are open, over WebSockets too. */
  readonly sessions: PendingWork;
  /** Aborts when the control plane closes. */
  readonly closing: AbortSignal;
  readonly logger: Logger;
  /** Default: 15 s. */
  readonly heartbeatMs?: number;
}

/** Output of processes as a body that lasts (docs/reference/rest-api.md#output-streams). */
export function registerOutputRoutes(app: App, deps: OutputRoutesDeps, base: string): void {
  const { capsules, states, sessions, closing, logger, heartbeatMs = HEARTBEAT_MS } = deps;
  app.get(
    `${base}/:id/processes/:selector/output`,
    {
      // The answer to HEAD would not end.
      exposeHeadRoute: false,
      schema: {
        summary: "Follow the output of a process",
        description:
          "The body is a sequence of frames: kind (1 byte), three zero bytes, length of the payload (4 bytes, big-endian), payload. Kinds: 0 heartbeat, 1 standard output, 2 standard error, and as JSON objects 3 `started`, 4 `dropped`, 5 `exit`, 6 `status`, 7 `error`. The last frame is `exit` or `error`: a body that ends otherwise was cut, and the client continues from its offsets.",
        tags: ["commands"],
        params: ProcessParams,
        querystring: OutputQuery,
        response: { 200: Type.Unknown(), ...refusals },
      },
    },
    async (request, reply) => {
      const { id, selector } = request.params;
      const { from = "oldest", from_stderr: stderr = 0, capsule_events: hasEvents = false } = request.query;
      const team = teamOf(request);
      using session = sessions.begin(team, id);
      if (!session.reserve(SESSION_BYTES))
        throw new WrennError("guest_busy", { problem: "there is no memory for another session" });
      const capsule = await capsules.open(team, id, COMMAND_PATIENCE_MS);
      const touch = (): void => {
        capsule.touch().catch((error: unknown) => logger.warn("touch failed", { problem: problemOf(error) }));
      };
      touch();
      const process = await findProcess(capsule, selector, reply);
      const start = { stdout: from === "oldest" ? 0 : Number(from), stderr };
      const answer = new LastingAnswer(request, reply, {
        contentType: OUTPUT_TYPE,
        closing,
        stalledMs: STALL_MS,
      });
      const { signal } = answer;
      const unsent = (error: unknown): void =>
        logger.debug("output.frame_unsent", { request_id: request.id, problem: problemOf(error) });
      using output = new FramedOutput(answer, heartbeatMs, unsent);
      let endEvents = (): void => undefined;
      try {
        await output.started(process.facts, start);
        if (hasEvents) endEvents = sendStatus(output, (onStatus) => states.follow(team, id, onStatus));
        await forwardOutput(process, output, start, signal);
        answer.end();
      } catch (thrown) {
        const isExplained = isWithoutGuest(thrown) && !signal.aborted;
        const error = isExplained ? await states.explain(team, id, thrown, signal) : thrown;
        // What is no fault of the platform is final. Everything else breaks the body off: the client tries to continue, and learns why it cannot.
        if (!signal.aborted && error instanceof WrennError && error.entry.fault === "user") {
          await output.error(toWire(error, request.id, logger).body).then(
            () => answer.end(),
            () => answer.breakOff(),
          );
        } else {
          if (!signal.aborted)
            logger.warn("output.ended", { request_id: request.id, problem: problemOf(error) });
          answer.breakOff();
        }
      } finally {
        endEvents();
        touch();
      }
    },
  );
}

/** Sends the status of the capsule, which runs at first, whenever it is another one. @returns the function that ends it. */
function sendStatus(
  output: FramedOutput,
  follow: (onStatus: (status: string) => void) => () => void,
): () => void {
  let last = "running";
  return follow((status) => {
    if (status === last) return;
    last = status;
    output.status(status);
  });
}
