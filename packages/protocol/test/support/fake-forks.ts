import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";

/**
 * Starts children of a fork, each by itself.
 *
 * @param problem - why every second one cannot be started; undefined: all can.
 */
export async function startEach(
  children: readonly CapsuleSpec[],
  problem: string | undefined,
  start: (children: readonly CapsuleSpec[]) => Promise<readonly CapsuleStatus[]>,
): Promise<readonly CapsuleStatus[]> {
  if (problem === undefined) return await start(children);
  const isStarted = (at: number): boolean => at % 2 === 0;
  const started = [...(await start(children.filter((_child, at) => isStarted(at))))];
  return children.map(({ id, template, vcpus, memoryMib }, at) => {
    const status = isStarted(at) ? started.shift() : undefined;
    return (
      status ?? { id, state: "failed", template, vcpus, memoryMib, lastActiveAt: 0, metadata: {}, problem }
    );
  });
}
