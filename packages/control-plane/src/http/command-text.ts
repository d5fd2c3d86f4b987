import { WrennError } from "@wrenn/core";
import { Type } from "typebox";

/** Environment of a command, by name. */
export const EnvironmentBody = Type.Record(Type.String(), Type.String());

/** What a program is started with. */
interface CommandText {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
}

/** Rejects text that execve(2) and environ(7) cannot carry. @throws WrennError `invalid_field`. */
export function validateCommandText({ cmd, args, envs }: CommandText): void {
  if ([cmd, ...args, ...Object.values(envs)].some((text) => text.includes("\0")))
    throw new WrennError("invalid_field", { field: "cmd, args and envs", problem: "must not contain NUL" });
  const name = Object.keys(envs).find((key) => key === "" || /[=\0]/.test(key));
  if (name !== undefined)
    throw new WrennError("invalid_field", {
      field: "envs",
      problem: `must have names without '=' and NUL, not ${JSON.stringify(name.slice(0, 64))}`,
    });
}
