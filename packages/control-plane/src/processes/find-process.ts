import { withDeadline } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";
import { Type } from "typebox";
import type { RunningCapsule } from "../capsules/running-capsules.ts";
import { LINE } from "../http/schemas.ts";
import { waitingClient } from "../http/waiting-client.ts";
import type { WaitingReply } from "../http/waiting-client.ts";

const CALL_MS = 10_000;

export const ProcessParams = Type.Object({
  id: Type.String(),
  selector: Type.String({
    maxLength: 256,
    pattern: LINE,
    description: "pid (all digits) or tag, percent-encoded",
  }),
});

/** A process by pid or tag. @throws WrennError `process_not_found`, and those of {@link answered}. */
export async function findProcess(
  capsule: Pick<RunningCapsule, "processes">,
  selector: string,
  reply: WaitingReply,
): Promise<CapsuleProcess> {
  return await answered("finding the process", reply, (signal) => capsule.processes.find(selector, signal));
}

/** What the guest answers in time, while the client waits for it. @throws WrennError `deadline_exceeded`, `client_left`. */
export async function answered<T>(
  what: string,
  reply: WaitingReply,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await withDeadline(what, CALL_MS, waitingClient(reply).left, ask);
}
