/**
 * Like `Promise.all` over `work`, with at most `width` at a time: starting more machines than there are cores makes each of
 * them slower than it makes the others quicker. Nothing new is begun after a failure; it rejects when what was begun is over.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = [...items.entries()];
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !failed; next = queue.shift()) {
      const [at, item] = next;
      try {
        results[at] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.max(1, width) }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}
