import { errorCatalogue, problemOf, WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import { plainText } from "./text-from-host.ts";

/** An error as it crosses the link: one of the catalogue, or one of the operating system's with its code. */
const LinkError = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 64 })),
  context: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  code: Type.Optional(Type.String({ maxLength: 64 })),
  message: Type.String(),
});

type LinkError = Static<typeof LinkError>;

const CODES = /^E[A-Z0-9]{2,20}$/;
const MESSAGE_LIMIT = 2000;
const CONTEXT_ENTRIES = 16;
/**
 * Codes of errors that a host agent can meet. The others are about the client's account and request, of which a host has nothing to
 * say.
 */
const HOST_CODES: ReadonlySet<string> = new Set([
  "invalid_request",
  "too_large",
  "not_found",
  "invalid_state",
  "conflict",
  "rate_limited",
  "disk_full",
  "internal_error",
  "agent_error",
  "host_unavailable",
  "no_hosts_available",
]);
/** The same of the code `forbidden`: what the guest's files refuse. */
const FORBIDDEN_BY_GUEST: ReadonlySet<string> = new Set(["permission_denied", "read_only_file_system"]);

/** What the other side is told of an error. */
export function errorToWire(error: unknown): LinkError {
  const message = problemOf(error).slice(0, MESSAGE_LIMIT);
  if (error instanceof WrennError) return { reason: error.reason, context: error.context, message };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return CODES.test(code) ? { code, message } : { message };
}

/** The error that the other side met; one that a host agent cannot meet becomes an error of the host. */
export function errorFromWire(value: unknown): Error {
  if (!Value.Check(LinkError, value)) return damaged("an error of another shape");
  const { reason, context = {}, code } = value;
  const message = plainText(value.message, MESSAGE_LIMIT);
  if (reason !== undefined) {
    if (!isHostReason(reason)) return damaged(message);
    // Which placeholders a reason has is not known to the types here; missing ones stay visible in the message.
    return new WrennError<ErrorReason>(reason, plainContext(context) as never);
  }
  if (code !== undefined && CODES.test(code)) return Object.assign(new Error(message), { code });
  return damaged(message);
}

/** The other side said something that a host agent of this version does not say. */
export function damaged(problem: string): WrennError {
  return new WrennError("operation_failed", { operation: "the host", problem });
}

function isHostReason(reason: string): reason is ErrorReason {
  if (!isReason(reason)) return false;
  const { code } = errorCatalogue[reason];
  return HOST_CODES.has(code) || FORBIDDEN_BY_GUEST.has(reason);
}

function plainContext(
  context: Readonly<Record<string, string | number>>,
): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    Object.entries(context)
      .slice(0, CONTEXT_ENTRIES)
      .map(([name, value]) => [name, typeof value === "string" ? plainText(value, MESSAGE_LIMIT) : value]),
  );
}

function isReason(reason: string): reason is ErrorReason {
  return Object.hasOwn(errorCatalogue, reason);
}
