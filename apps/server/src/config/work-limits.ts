import type { WorkCounts } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const COUNTS = /^(\d{1,6}):(\d{1,6}):(\d{1,6})$/;
const REQUESTS = /^[1-9]\d{0,5}$/;
const BUFFER = /^\d{1,5}$/;
const MIB = 1 << 20;
/** MiB; with less no download could move. */
const LEAST_BUFFER = 4;
/** MiB; an answer is one JSON text. */
const MOST_EXEC_OUTPUT = 64;

/** How much work may be under way, as far as the environment says. @throws WrennError `invalid_field`. */
export function readWorkLimits(env: Readonly<Record<string, string | undefined>>): {
  readonly calls?: WorkCounts;
  readonly sessions?: WorkCounts;
  readonly requestsPerTeam?: number;
} {
  const { WRENN_CALL_LIMITS: calls, WRENN_SESSION_LIMITS: sessions, WRENN_REQUESTS_PER_TEAM: requests } = env;
  return {
    ...(calls === undefined ? {} : { calls: parseCounts("WRENN_CALL_LIMITS", calls) }),
    ...(sessions === undefined ? {} : { sessions: parseCounts("WRENN_SESSION_LIMITS", sessions) }),
    ...(requests === undefined ? {} : { requestsPerTeam: parseRequests(requests) }),
  };
}

/** Bytes that a host holds in memory for one capsule. @throws WrennError `invalid_field`. */
export function readCapsuleBuffer({
  WRENN_CAPSULE_BUFFER: text,
}: Readonly<Record<string, string | undefined>>): number | undefined {
  if (text === undefined) return undefined;
  const mib = BUFFER.test(text) ? Number(text) : 0;
  if (mib < LEAST_BUFFER)
    throw new WrennError("invalid_field", {
      field: "WRENN_CAPSULE_BUFFER",
      problem: `must be MiB, at least ${LEAST_BUFFER}, not '${text}'`,
    });
  return mib * MIB;
}

/** Bytes that the answer of a foreground command keeps of each stream. @throws WrennError `invalid_field`. */
export function readExecOutput({
  WRENN_EXEC_OUTPUT: text,
}: Readonly<Record<string, string | undefined>>): number | undefined {
  if (text === undefined) return undefined;
  const mib = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (mib < 1 || mib > MOST_EXEC_OUTPUT)
    throw new WrennError("invalid_field", {
      field: "WRENN_EXEC_OUTPUT",
      problem: `must be MiB, from 1 to ${MOST_EXEC_OUTPUT}, not '${text}'`,
    });
  return mib * MIB;
}

/** How many of one capsule, of one team and of all. */
function parseCounts(field: string, text: string): WorkCounts {
  const [capsule = 0, team = 0, server = 0] = COUNTS.exec(text)?.slice(1).map(Number) ?? [];
  if (capsule < 1 || team < capsule || server < team)
    throw new WrennError("invalid_field", {
      field,
      problem: `must be counts for a capsule, a team and the server that do not fall, like 512:4096:16384, not '${text}'`,
    });
  return { capsule, team, server };
}

function parseRequests(text: string): number {
  if (!REQUESTS.test(text))
    throw new WrennError("invalid_field", {
      field: "WRENN_REQUESTS_PER_TEAM",
      problem: `must be a number from 1 to 999999, not '${text}'`,
    });
  return Number(text);
}
