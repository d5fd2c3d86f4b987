import type { ProcessFacts } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import type { ProcessConfig } from "../generated/process_pb.ts";

/** What a request says of a process beyond its command line, kept with the process so that lists can show it. */
const ProcessNote = Type.Object({
  envs: Type.Optional(Type.Record(Type.String(), Type.String())),
  cwd: Type.Optional(Type.String()),
});

/** The note of a process that is started; undefined when there is nothing to keep. */
export function noteOf({ envs, cwd }: Pick<ProcessConfig, "envs" | "cwd">): string | undefined {
  const note = {
    ...(Object.keys(envs).length === 0 ? {} : { envs }),
    ...(cwd === undefined ? {} : { cwd }),
  };
  return Object.keys(note).length === 0 ? undefined : JSON.stringify(note);
}

/** What a note says. Processes that were started another way have none, and the guest, which keeps it, may have changed it. */
export function readNote({ note }: Pick<ProcessFacts, "note">): Static<typeof ProcessNote> {
  if (note === undefined) return {};
  try {
    const value: unknown = JSON.parse(note);
    return Value.Check(ProcessNote, value) ? value : {};
  } catch {
    return {};
  }
}
