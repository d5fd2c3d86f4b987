import { WrennError } from "@wrenn/core";
import type { CommandResult } from "@wrenn/system";
import type { Probe } from "../src/doctor/probe.ts";

/** A host as a test describes it; whatever it leaves out is as on a host in order. */
export interface HostDescription {
  readonly uid?: number;
  readonly nodeVersion?: string;
  readonly now?: number;
  readonly freeBytes?: number;
  /** Content by path; every other file is absent. */
  readonly files?: Readonly<Record<string, string>>;
  /** Error code by path; everything else opens. */
  readonly refused?: Readonly<Record<string, string>>;
  /** By the beginning of the command line; null where the program does not exist. Other commands end with 0 and say nothing. */
  readonly commands?: Readonly<Record<string, Partial<CommandResult> | null>>;
}

/** A probe that sees what the description says; `ran` collects the command lines. */
export function describedHost(host: HostDescription = {}): Probe & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    uid: host.uid ?? 0,
    nodeVersion: host.nodeVersion ?? "26.10.0",
    now: () => host.now ?? Date.UTC(2026, 6, 1),
    readText: (path) => Promise.resolve(host.files?.[path]),
    tryOpen: (path) => Promise.resolve(host.refused?.[path]),
    freeBytes: () => Promise.resolve(host.freeBytes ?? 2 ** 40),
    run: (argv) => {
      const line = argv.join(" ");
      ran.push(line);
      const [, answer = {}] =
        Object.entries(host.commands ?? {}).find(([beginning]) => line.startsWith(beginning)) ?? [];
      if (answer === null) return Promise.reject(new WrennError("dependency_missing", { what: argv[0] }));
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer });
    },
  };
}
