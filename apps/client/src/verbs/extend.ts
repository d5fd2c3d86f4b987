import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";

export interface ExtendVerbOptions {
  /** Milliseconds. */
  readonly by?: number;
  /** Milliseconds. */
  readonly fromNow?: number;
}

/** Moves the end of the present run of a capsule and prints when that is. */
export async function extend(
  context: Context,
  reference: string,
  { by: byMs, fromNow: fromNowMs }: ExtendVerbOptions,
): Promise<void> {
  if ((byMs === undefined) === (fromNowMs === undefined))
    throw new ClientError(
      "usage",
      "option_missing",
      "one of --by and --from-now says when the run ends",
      "Write --by 1h to add an hour, or --from-now 1h.",
    );
  const capsule = await context.capsule(reference);
  const info = await capsule.extend({ byMs, fromNowMs, signal: context.signal });
  context.output.data(info, () => `${info.lifetimeEndsAt?.toISOString() ?? "never"}\n`);
}
