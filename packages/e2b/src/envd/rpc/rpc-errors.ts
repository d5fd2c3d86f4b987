import { Code, ConnectError } from "@connectrpc/connect";
import type { Interceptor } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { isGone } from "../gone.ts";
import { rpcCallKey } from "./rpc-call.ts";
import type { RpcCall } from "./rpc-call.ts";

/** Codes of errors whose status says too little: clients make their typed errors of them. */
const codes: Partial<Readonly<Record<ErrorReason, Code>>> = {
  path_not_found: Code.NotFound,
  path_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  read_only_file_system: Code.PermissionDenied,
  user_not_found: Code.Unauthenticated,
  tag_in_use: Code.AlreadyExists,
  stdin_closed: Code.FailedPrecondition,
  not_a_terminal: Code.FailedPrecondition,
  input_not_read: Code.DeadlineExceeded,
  deadline_exceeded: Code.DeadlineExceeded,
  process_limit_in_capsule: Code.ResourceExhausted,
  too_many_entries: Code.ResourceExhausted,
  guest_busy: Code.ResourceExhausted,
};

const byStatus: ReadonlyMap<number, Code> = new Map([
  [400, Code.InvalidArgument],
  [401, Code.Unauthenticated],
  [403, Code.PermissionDenied],
  [404, Code.NotFound],
  [409, Code.FailedPrecondition],
  [413, Code.ResourceExhausted],
  [429, Code.ResourceExhausted],
  [503, Code.Unavailable],
  [504, Code.DeadlineExceeded],
]);

/** The error that a client gets; undefined for what is none of the catalogue's. */
export function connectErrorOf(error: unknown): ConnectError | undefined {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof WrennError)) return undefined;
  const reason: ErrorReason = error.reason;
  const code = codes[reason] ?? byStatus.get(error.entry.status) ?? Code.Internal;
  return new ConnectError(messageOf(error), code, undefined, undefined, error);
}

/** Clients compare the text about a user literally. */
export function messageOf(error: WrennError): string {
  return error.reason === "user_not_found"
    ? `invalid username: '${String(error.context["user"])}'`
    : error.message;
}

/** Turns errors of the platform's services into those of the protocol. */
export const translateErrors: Interceptor = (next) => async (request) => {
  const call = request.contextValues.get(rpcCallKey);
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: translated(response.message, call) } : response;
  } catch (error) {
    throw translate(error, call);
  }
};

async function* translated<T>(messages: AsyncIterable<T>, call: RpcCall): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error, call);
  }
}

function translate(error: unknown, call: RpcCall): unknown {
  if (isGone(error)) call.onGone(error);
  return connectErrorOf(error) ?? error;
}
