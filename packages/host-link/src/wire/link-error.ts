import { errorCatalogue, problemOf, WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";

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

/** What the other side is told of an error. */
export function errorToWire(error: unknown): LinkError {
  const message = problemOf(error).slice(0, MESSAGE_LIMIT);
  if (error instanceof WrennError) return { reason: error.reason, context: error.context, message };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return CODES.test(code) ? { code, message } : { message };
}

/** The error that the other side met; what it may not say becomes an error of the host. */
export function errorFromWire(value: unknown): Error {
  if (!Value.Check(LinkError, value)) return damaged("an error that is none");
  const { reason, context = {}, code, message } = value;
  if (reason !== undefined) {
    if (!isReason(reason)) return damaged(message);
    // Which placeholders a reason has is not known to the types here; missing ones stay visible in the message.
    return new WrennError<ErrorReason>(reason, context as never);
  }
  if (code !== undefined && CODES.test(code)) return Object.assign(new Error(message), { code });
  return damaged(message);
}

/** The other side said something that a host agent of this version does not say. */
export function damaged(problem: string): WrennError {
  return new WrennError("operation_failed", { operation: "the host", problem });
}

function isReason(reason: string): reason is ErrorReason {
  return Object.hasOwn(errorCatalogue, reason);
}
