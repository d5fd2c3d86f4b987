/** An event of a trace of Chromium (Trace Event Format), as far as it is used. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
}

/** What a trace has to record: tasks, and marks. */
export const TASK_CATEGORIES = ["disabled-by-default-devtools.timeline", "blink.user_timing"];

/** One turn of a thread's loop, with the microtasks at its end. `ThreadControllerImpl::RunTask` is without them. */
const TASK = "RunTask";

/** Tasks of a page's main thread, in milliseconds. */
export interface MainThreadTasks {
  readonly count: number;
  readonly longestMs: number;
}

/**
 * The tasks of the thread on which the page has set a mark.
 *
 * @param trace - JSON of a trace.
 * @param mark - `performance.mark` that the page has called while it was traced.
 * @throws Error where the trace has no such mark or no tasks of its thread: there is nothing to measure then.
 */
export function mainThreadTasks(trace: string, mark: string): MainThreadTasks {
  const { traceEvents } = JSON.parse(trace) as { readonly traceEvents: readonly TraceEvent[] };
  const marked = traceEvents.find(({ name }) => name === mark);
  if (!marked) throw new Error(`the trace has no mark ${mark}`);
  const times = traceEvents
    .filter(
      ({ name, ph, pid, tid }) => ph === "X" && name === TASK && pid === marked.pid && tid === marked.tid,
    )
    .map(({ dur = 0 }) => dur / 1000);
  if (times.length === 0) throw new Error("the trace has no tasks of the page");
  return { count: times.length, longestMs: Math.max(...times) };
}
