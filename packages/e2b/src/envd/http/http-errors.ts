import type { ServerResponse } from "node:http";
import { WrennError } from "@wrenn/core";
import { messageOf } from "../rpc/rpc-errors.ts";
import { answerError } from "./exchange.ts";

/** A request that is refused with a status of its own. */
export class HttpRefusal extends Error {
  override readonly name = "HttpRefusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const INTERNAL_ERROR = 500;
const BAD_GATEWAY = 502;
const UNAUTHORIZED = 401;

/** Answers with an error of a file operation. @returns whether it is one that clients are told about. */
export function answerFailure(response: ServerResponse, error: unknown): boolean {
  if (error instanceof HttpRefusal) {
    answerError(response, error.status, error.message);
    return true;
  }
  if (!(error instanceof WrennError)) {
    answerError(response, INTERNAL_ERROR, "internal error");
    return false;
  }
  answerError(response, statusOf(error), messageOf(error));
  return true;
}

function statusOf({ reason, entry: { status } }: WrennError): number {
  if (reason === "user_not_found") return UNAUTHORIZED;
  // From this address clients take it for the end of the sandbox.
  return status === BAD_GATEWAY ? INTERNAL_ERROR : status;
}
