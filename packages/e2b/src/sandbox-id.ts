import { formatId, parseId, WrennError } from "@wrenn/core";

const PREFIX = "cl-";
/** A sandbox id, and the suffix that old clients append, which has no meaning here. */
const SANDBOX_ID = /^([0-9a-z]{25})(?:-[0-9a-z]+)?$/;

/** The id of a capsule (UUID) as clients of this API know it: 25 characters without a dash, since host names are split at dashes. */
export function sandboxIdOf(uuid: string): string {
  return formatId("capsule", uuid).slice(PREFIX.length);
}

/** The public id of the capsule that a sandbox id stands for; undefined for a text that is none. */
export function capsuleIdOf(sandboxId: string): string | undefined {
  const [, body] = SANDBOX_ID.exec(sandboxId) ?? [];
  if (body === undefined) return undefined;
  const id = PREFIX + body;
  try {
    parseId("capsule", id);
    return id;
  } catch (error) {
    if (WrennError.is(error, "invalid_id")) return undefined;
    throw error;
  }
}
