import { textOfBytes, WrennError } from "@wrenn/core";
import { ATTRIBUTE_PATHS, guestChannel } from "@wrenn/protocol";
import type { FileAttributes, FileOptions } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import type { Lane } from "../lane/lane.ts";
import { fileError } from "../refusal-to-error.ts";
import { encodePath } from "./names.ts";

const { operation, status } = guestChannel;
/** What agents of earlier versions answer. */
const UNKNOWN_OPERATION = "unknown operation";

/** Attributes of files by ATTRIBUTES (guest protocol §6); none of any where the agent does not know of them. */
export async function requestAttributes(
  lane: Lane,
  paths: readonly string[],
  prefix: string,
  { user = "", signal }: FileOptions,
): Promise<readonly FileAttributes[]> {
  const [path, ...others] = paths;
  if (path === undefined) return [];
  const body = new guestChannel.BodyWriter().text(user).bytes(encodePath(path)).text(prefix);
  body.list(others, (other) => void body.bytes(encodePath(other)));
  try {
    const answer = await lane.request(operation.attributes, body.finish(), signal);
    const found = answer.list(() => readAttributes(answer), ATTRIBUTE_PATHS);
    if (found.length === paths.length) return found;
    throw new WrennError("guest_protocol", {
      problem: `attributes of ${found.length} files instead of ${paths.length}`,
    });
  } catch (error) {
    if (isUnknown(error)) return paths.map(() => ({}));
    throw fileError(error, { operation: "reading attributes", path, user });
  }
}

/** Replaces the attributes of a file by SET_ATTRIBUTES. Taking them away needs no agent that knows of them. */
export async function changeAttributes(
  lane: Lane,
  path: string,
  { prefix, attributes }: { readonly prefix: string; readonly attributes: FileAttributes },
  { user = "", signal }: FileOptions,
): Promise<void> {
  const entries = Object.entries(attributes);
  const body = new guestChannel.BodyWriter().text(user).bytes(encodePath(path)).text(prefix);
  body.list(entries, ([name, value]) => void body.text(name).text(value));
  try {
    await lane.request(operation.setAttributes, body.finish(), signal);
  } catch (error) {
    if (!isUnknown(error)) throw fileError(error, { operation: "setting attributes", path, user });
    if (entries.length > 0) throw new WrennError("attributes_unsupported", {}, { cause: error });
  }
}

function readAttributes(answer: guestChannel.BodyReader): FileAttributes {
  return Object.fromEntries(
    answer.list(() => [textOfBytes(answer.bytes()), textOfBytes(answer.bytes())] as const),
  );
}

function isUnknown(error: unknown): boolean {
  return (
    error instanceof GuestRefusal && error.status === status.badRequest && error.message === UNKNOWN_OPERATION
  );
}
