import { constants } from "node:os";
import type { ProcessExit } from "@wrenn/protocol";

/** Names of signals as the clients' tests compare them: those of Go's runtime. */
const names: Readonly<Record<string, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
  SIGSTKFLT: "stack fault",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "file size limit exceeded",
  SIGVTALRM: "virtual timer expired",
  SIGPROF: "profiling timer expired",
  SIGIO: "I/O possible",
  SIGPWR: "power failure",
  SIGSYS: "bad system call",
};

/** The end of a process as clients know it. */
export interface ExitStatus {
  /** −1 for a process that a signal ended. */
  readonly exitCode: number;
  readonly exited: boolean;
  readonly status: string;
  /** Absent for a process that exited with 0. */
  readonly error?: string;
}

export function exitStatusOf({ exitCode, signal }: ProcessExit): ExitStatus {
  if (signal !== undefined) {
    const status = `signal: ${signalName(signal)}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const status = `exit status ${exitCode}`;
  return { exitCode, exited: true, status, ...(exitCode === 0 ? {} : { error: status }) };
}

function signalName(signal: number): string {
  for (const [name, number] of Object.entries(constants.signals))
    if (number === signal && names[name] !== undefined) return names[name];
  return `signal ${signal}`;
}
