import { constants } from "node:os";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HandlerContext } from "@connectrpc/connect";
import { defined, withDeadline } from "@wrenn/core";
import type { CapsuleProcess, StartRequest as ProcessRequest } from "@wrenn/protocol";
import type { PTY, StartRequest } from "../generated/process_pb.ts";
import { noteOf } from "./process-note.ts";
import type { RpcCall } from "../rpc/rpc-call.ts";
import { pathOf } from "../user-paths.ts";

const START_MS = 30_000;
const KILL_MS = 10_000;
/** Longest limit that the platform keeps for a process. */
const MAX_LIMIT_MS = 86_400_000;
const DEFAULT_SIZE = { cols: 80, rows: 24 };
const MAX_SIZE = 65_535;

/** Size of a terminal as the platform takes it. @throws ConnectError for a size that no terminal has. */
export function sizeOf(pty: PTY | undefined): { readonly cols: number; readonly rows: number } {
  const { cols, rows } = pty?.size ?? { cols: 0, rows: 0 };
  if (cols > MAX_SIZE || rows > MAX_SIZE)
    throw new ConnectError(`pty size must be at most ${MAX_SIZE}`, Code.InvalidArgument);
  return { cols: cols || DEFAULT_SIZE.cols, rows: rows || DEFAULT_SIZE.rows };
}

/**
 * Starts a process. When the deadline of the call is over the process is killed with all that it started, also when the client has left
 * before.
 */
export async function startFor(
  request: StartRequest,
  { sandbox, user }: RpcCall,
  context: HandlerContext,
): Promise<CapsuleProcess> {
  const limitMs = context.timeoutMs();
  const asked = requestOf(request, { sandbox, user }, limitMs);
  const process = await withDeadline("starting the command", START_MS, context.signal, (signal) =>
    sandbox.processes.start(asked, signal),
  );
  if (limitMs !== undefined) killAtDeadline(process, context.signal);
  return process;
}

function requestOf(
  { process: config, pty, tag, stdin }: StartRequest,
  { sandbox, user }: Pick<RpcCall, "sandbox" | "user">,
  limitMs: number | undefined,
): ProcessRequest {
  if (config === undefined || config.cmd === "")
    throw new ConnectError("process.cmd is required", Code.InvalidArgument);
  const { cmd, args, envs, cwd = "" } = config;
  for (const name of Object.keys(envs))
    if (name === "" || name.includes("="))
      throw new ConnectError(`not a name of a variable: '${name}'`, Code.InvalidArgument);
  const path = pathOf(cwd, sandbox);
  return {
    cmd,
    args,
    envs: { ...sandbox.identity, ...envs },
    user,
    cwd: path,
    // Clients from before the field existed expect an open input.
    stdin: stdin ?? true,
    output: "paced",
    ...(pty ? { terminal: sizeOf(pty) } : {}),
    ...defined({
      tag: tag === "" ? undefined : tag,
      note: noteOf(config),
      timeoutMs: limitMs === undefined ? undefined : Math.max(1, Math.min(limitMs, MAX_LIMIT_MS)),
    }),
  };
}

function killAtDeadline(process: CapsuleProcess, signal: AbortSignal): void {
  signal.addEventListener("abort", () => {
    if (!(signal.reason instanceof ConnectError) || signal.reason.code !== Code.DeadlineExceeded) return;
    // The host ends it by its own limit should this fail.
    process.kill(constants.signals.SIGKILL, "tree", AbortSignal.timeout(KILL_MS)).catch(() => undefined);
  });
}
