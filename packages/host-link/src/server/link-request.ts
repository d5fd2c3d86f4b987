import type { IncomingMessage, ServerResponse } from "node:http";
import { WrennError } from "@wrenn/core";
import type { HostAgent } from "@wrenn/protocol";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { decodeValue } from "../wire/values.ts";
import type { HoldLeases } from "./hold-leases.ts";

/** One request of a control plane, and what answering it takes. */
export interface LinkRequest {
  readonly agent: HostAgent;
  readonly leases: HoldLeases;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path without the leading slash, in parts. */
  readonly path: readonly string[];
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

/** Longest request that is no file. */
const BODY_LIMIT = 16 << 20;
const BODY_BOUNDS = { values: 1_000_000, depth: 64 };

/** The arguments of a request, of the shape that its method takes. @throws WrennError `invalid_field`. */
export async function readArguments<S extends TSchema>(
  request: IncomingMessage,
  shape: S,
): Promise<Static<S>> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > BODY_LIMIT)
      throw new WrennError("invalid_field", { field: "arguments", problem: "are too long" });
    parts.push(part);
  }
  return checkArguments(decodeValue(Buffer.concat(parts, length), BODY_BOUNDS), shape);
}

/** @throws WrennError `invalid_field`. */
export function checkArguments<S extends TSchema>(value: unknown, shape: S): Static<S> {
  if (Value.Check(shape, value)) return value;
  const [first] = Value.Errors(shape, value);
  throw new WrennError("invalid_field", {
    field: `arguments${first?.instancePath ?? ""}`,
    problem: first?.message ?? "are of another shape",
  });
}
