import { sleep } from "../transport/abort.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { isOver, lineOf } from "./build.ts";
import type { BuildLogLine, WireBuildLogs } from "./build.ts";

/** Milliseconds between two looks at the log of a build: soon after lines, and later while nothing comes. */
const LOOKS = { first: 50, last: 300, factor: 1.5 };
/** Lines of one request. */
const LINES = 1000;

export interface BuildLogRequest {
  readonly follow: boolean;
  /** Number of the first line. */
  readonly from: number;
  readonly signal: AbortSignal | undefined;
}

/** Lines of the output of a build, in order and once; with `follow` until it has ended. */
export async function* buildLog(
  http: HttpClient,
  id: string,
  { follow, from, signal }: BuildLogRequest,
): AsyncGenerator<BuildLogLine, void, undefined> {
  const path = `/v1/builds/${segment(id)}/logs`;
  let waitMs = LOOKS.first;
  for (let next = from; ;) {
    const page = await http.json<WireBuildLogs>("GET", path, { query: { from: next, limit: LINES }, signal });
    for (const line of page.lines) yield lineOf(line);
    next = page.next_from;
    if (page.lines.length > 0) {
      waitMs = LOOKS.first;
      continue;
    }
    if (!follow || isOver(page.status)) return;
    await sleep(waitMs, signal);
    waitMs = Math.min(LOOKS.last, waitMs * LOOKS.factor);
  }
}
