import { Code, ConnectError } from "@connectrpc/connect";
import { withDeadline, WrennError } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses } from "@wrenn/protocol";
import type { ProcessSelector } from "../generated/process_pb.ts";

const ANSWER_MS = 30_000;

/**
 * The process that a client names, also one that exited lately.
 *
 * @throws WrennError `process_not_found`. @throws ConnectError for a selector that names none.
 */
export async function selectProcess(
  processes: CapsuleProcesses,
  selector: ProcessSelector | undefined,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  if (!selector || selector.selector.case === undefined)
    throw new ConnectError("process is required: a pid or a tag", Code.InvalidArgument);
  const { case: kind, value } = selector.selector;
  return await withDeadline("finding the process", ANSWER_MS, signal, async (inner) => {
    if (kind === "pid" || !/^\d+$/.test(value)) return await processes.find(String(value), inner);
    // The platform takes digits for a pid.
    const found = (await processes.recent(inner)).findLast(({ tag }) => tag === value);
    if (!found) throw new WrennError("process_not_found", { selector: value });
    return await processes.find(String(found.pid), inner);
  });
}

/** The same, if it still runs. @throws WrennError `process_not_found`. */
export async function selectLive(
  processes: CapsuleProcesses,
  selector: ProcessSelector | undefined,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  const process = await selectProcess(processes, selector, signal);
  if (process.facts.exit)
    throw new WrennError("process_not_found", { selector: String(selector?.selector.value ?? "") });
  return process;
}
