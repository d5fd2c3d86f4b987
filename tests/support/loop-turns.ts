import { setImmediate as nextTurn } from "node:timers/promises";
import { WASI } from "node:wasi";

/** What this file needs of it; the types of browsers have the rest. */
declare const WebAssembly: {
  readonly Memory: new (limits: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** CLOCK_THREAD_CPUTIME_ID. What Node.js offers itself counts in ticks of the kernel, 4 ms each. */
const THREAD_CLOCK = 3;
const EXACT = 1n;

/** Processor time of this thread in milliseconds. */
export function openThreadClock(): () => number {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const wasi = new WASI({ version: "preview1" });
  wasi.initialize({ exports: { memory } });
  const { clock_time_get: read } = wasi.wasiImport as {
    readonly clock_time_get: (clock: number, precision: bigint, at: number) => number;
  };
  const result = new DataView(memory.buffer);
  return () => {
    const problem = read(THREAD_CLOCK, EXACT, 0);
    if (problem !== 0) throw new Error(`the clock of the thread cannot be read (${problem})`);
    return Number(result.getBigUint64(0, true)) / 1e6;
  };
}

/**
 * Does `work` and measures the turns of this thread's event loop during it. Other programs on the machine do not count: only
 * the processor time of the thread does.
 *
 * @returns the milliseconds of the longest turn.
 */
export async function longestTurn(threadClock: () => number, work: () => Promise<void>): Promise<number> {
  const over = new AbortController();
  let longest = 0;
  const watch = async (): Promise<void> => {
    for (let before = threadClock(); !over.signal.aborted;) {
      await nextTurn();
      const now = threadClock();
      longest = Math.max(longest, now - before);
      before = now;
    }
  };
  const watching = watch();
  try {
    await work();
    // The turn that ended the work is over.
    await nextTurn();
  } finally {
    over.abort();
    await watching;
  }
  return longest;
}
