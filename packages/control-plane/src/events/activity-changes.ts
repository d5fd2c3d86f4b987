import type { NetworkDecision, ProcessFacts } from "@wrenn/protocol";

/** Something that a capsule did between two looks. */
export type ActivityChange =
  | { readonly type: "process.started"; readonly process: ProcessFacts }
  | { readonly type: "process.exited"; readonly process: ProcessFacts }
  | { readonly type: "network.decision"; readonly decision: NetworkDecision };

/**
 * What processes did between two looks, each of which has the live ones and those that exited lately. A pid that is used again is
 * another process. How a process exited that is in the later look no longer is not known.
 */
export function compareProcesses(
  before: readonly ProcessFacts[],
  now: readonly ProcessFacts[],
): readonly ActivityChange[] {
  const keyOf = ({ pid, startedAt }: ProcessFacts): string => `${pid} ${startedAt}`;
  const present = new Set(now.map(keyOf));
  const known = new Set(before.map(keyOf));
  const alive = new Set(before.filter(({ exit }) => exit === undefined).map(keyOf));
  const ofEach = now.flatMap((process): ActivityChange[] => {
    const isNew = !known.has(keyOf(process));
    const hasExited = process.exit !== undefined && (isNew || alive.has(keyOf(process)));
    return [
      ...(isNew ? [{ type: "process.started", process } as const] : []),
      ...(hasExited ? [{ type: "process.exited", process } as const] : []),
    ];
  });
  const gone = before.filter((process) => process.exit === undefined && !present.has(keyOf(process)));
  return [...ofEach, ...gone.map((process) => ({ type: "process.exited", process }) as const)];
}

/** Decisions that were made between two looks; `count` is how often. Counters that begin again count from zero. */
export function compareDecisions(
  before: readonly NetworkDecision[],
  now: readonly NetworkDecision[],
): readonly NetworkDecision[] {
  const keyOf = ({ kind, subject, verdict, reason }: NetworkDecision): string =>
    JSON.stringify([kind, subject, verdict, reason]);
  const counts = new Map(before.map((decision) => [keyOf(decision), decision.count]));
  return now.flatMap((decision) => {
    const known = counts.get(keyOf(decision)) ?? 0;
    const count = decision.count >= known ? decision.count - known : decision.count;
    return count > 0 ? [{ ...decision, count }] : [];
  });
}
