import { defined } from "@wrenn/core";
import type { CapsuleProcesses, CapsuleSpec } from "@wrenn/protocol";

/** What processes of a capsule start with, unless they name something else. */
export type ProcessDefaults = Pick<CapsuleSpec, "envs" | "user" | "cwd">;

/** A capsule that starts from another one, or from a template, has its defaults unless it names others. */
export function inheritDefaults<T extends ProcessDefaults>(spec: T, from: ProcessDefaults | undefined): T {
  if (!from) return spec;
  return {
    ...spec,
    envs: { ...from.envs, ...spec.envs },
    ...defined({ user: spec.user ?? from.user, cwd: spec.cwd ?? from.cwd }),
  };
}

/** The defaults of a capsule, for what starts from it. */
export function defaultsOf({ envs, user, cwd }: CapsuleSpec): ProcessDefaults {
  return { envs, ...defined({ user, cwd }) };
}

/** The processes of a guest, started by the user and in the directory of their capsule unless a request names others. */
export function withDefaults(processes: CapsuleProcesses, spec: ProcessDefaults): CapsuleProcesses {
  if (spec.user === undefined && spec.cwd === undefined) return processes;
  return {
    start: (request, signal) => {
      const named = (text: string | undefined): string | undefined => (text === "" ? undefined : text);
      const user = named(request.user) ?? spec.user;
      const cwd = named(request.cwd) ?? spec.cwd;
      return processes.start({ ...request, ...defined({ user, cwd }) }, signal);
    },
    find: (selector, signal) => processes.find(selector, signal),
    list: (signal) => processes.list(signal),
    recent: (signal) => processes.recent(signal),
  };
}

/** The processes of a guest, whose starts are requests under way. */
export function noteStarts(
  processes: CapsuleProcesses,
  activity: { readonly begin: () => Disposable },
): CapsuleProcesses {
  return {
    start: async (request, signal) => {
      using _request = activity.begin();
      return await processes.start(request, signal);
    },
    find: (selector, signal) => processes.find(selector, signal),
    list: (signal) => processes.list(signal),
    recent: (signal) => processes.recent(signal),
  };
}
