/** Exit codes of the command line, with what they mean. */
export const exitCodes = {
  ok: { code: 0, meaning: "The command did what was asked." },
  failed: { code: 1, meaning: "The server or this machine failed." },
  usage: { code: 2, meaning: "The command line or a value in it is wrong." },
  credentials: { code: 3, meaning: "There are no credentials, or the server refuses them." },
  notFound: { code: 4, meaning: "The named thing does not exist." },
  unreachable: { code: 5, meaning: "The server was not reached, or the connection to it broke." },
  conflict: { code: 6, meaning: "The state of the thing, a taken name or a limit does not allow it." },
  timedOut: { code: 124, meaning: "`run`, `exec`: the time of `--timeout` was up." },
  ownFailure: {
    code: 125,
    meaning:
      "`run`, `exec`, `shell`, `attach`: the command line itself failed, after its words were understood (else 2); other codes are those of the program.",
  },
  interrupted: { code: 130, meaning: "The command was interrupted by Ctrl-C." },
  outputClosed: { code: 141, meaning: "The reader of standard output went away, such as `head`." },
} as const;

/** Exit codes of a command that a signal ended, as shells have them. */
export const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Signals that interrupt a command. */
export type SignalName = keyof typeof signalCodes;

export type ExitKind = keyof typeof exitCodes;

/** The part of an SDK error that decides. */
interface Failure {
  readonly code: string;
  readonly status?: number | undefined;
}

/** An answer that is no server's of ours is that of something else at the address. */
const UNREACHABLE = new Set([
  "connection_failed",
  "connection_lost",
  "request_timed_out",
  "stream_lost",
  "invalid_answer",
]);
const USAGE = new Set(["unknown_option", "invalid_option", "recipe_invalid", "context_invalid", "usage"]);

/** Which exit code a refused or failed call is. */
export function exitKindOf({ code, status }: Failure): ExitKind {
  if (code === "command_timed_out") return "timedOut";
  if (UNREACHABLE.has(code)) return "unreachable";
  if (code === "not_configured" || status === 401 || status === 403) return "credentials";
  if (USAGE.has(code)) return "usage";
  if (status === 404) return "notFound";
  if (status === 409 || status === 429) return "conflict";
  return status !== undefined && status < 500 ? "usage" : "failed";
}
