import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";

export interface RemoveOptions {
  readonly force?: boolean;
}

/** Destroys capsules, all of them that can be, and fails with the first refusal. */
export async function rm(
  context: Context,
  references: readonly string[],
  { force }: RemoveOptions,
): Promise<void> {
  const removed: string[] = [];
  let refusal: unknown;
  for (const reference of references) {
    try {
      const capsule = await context.capsule(reference);
      await capsule.destroy({ signal: context.signal });
      removed.push(capsule.id);
    } catch (error) {
      context.signal.throwIfAborted();
      const isUnknown = error instanceof ClientError && error.code === "capsule_unknown";
      if (!(force === true && isUnknown)) refusal ??= error;
    }
  }
  if (refusal !== undefined) {
    // What was removed is said beside the error, which is the document.
    if (!context.output.isJson) for (const id of removed) context.output.note(`removed ${id}`);
    throw refusal;
  }
  context.output.data(
    removed.map((id) => ({ id })),
    () => removed.map((id) => `${id}\n`).join(""),
  );
}
