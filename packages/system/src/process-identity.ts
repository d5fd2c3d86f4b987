import { readFile } from "node:fs/promises";
import { hasCode } from "./files.ts";

/** A process, told apart from a later one with the same pid by its start time. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot at which it started: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  readonly startTime: string;
}

/** Identity of a live process, or undefined when there is none (a zombie counts as none). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The command name is in parentheses and may itself contain any character.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const startTime = fields[19];
    if (startTime === undefined || state === "Z" || state === "X") return undefined;
    return { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process, not a successor with its pid, still lives. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  return now?.startTime === identity.startTime;
}

/**
 * Sends a signal to exactly this process. A process may end between a look at it and the signal: that is no error.
 *
 * @returns whether the process was still there.
 */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    throw error;
  }
}
