import type { WireAnswer, WireBody, WireObject } from "../wire/api-types.ts";

/** What starts a command. It always has a tag, by which it is found when the answer is lost. */
export type ExecBody = WireBody<"POST /v1/capsules/{id}/exec"> & { readonly tag: string };

/** A command that has ended (with `exit_code`), that has not, or that is in the background (without output). */
export type ExecAnswer = Partial<WireAnswer<"POST /v1/capsules/{id}/exec", 200>> &
  Partial<WireAnswer<"POST /v1/capsules/{id}/exec", 202>>;

/** A process as lists have it. */
export type ListedProcess = WireAnswer<"GET /v1/capsules/{id}/processes">["processes"][number];

export type ProcessAnswer = WireObject<"Process">;

export type ProcessLogsAnswer = WireAnswer<"GET /v1/capsules/{id}/processes/{selector}/logs">;
