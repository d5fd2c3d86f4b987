import { problemOf, WrennError } from "@wrenn/core";
import { codeOf } from "../upstream/dial.ts";

/** What a failed exchange with a service means to the client. */
export function upstreamError(error: unknown, port: number, connectMs: number): WrennError {
  if (error instanceof WrennError) return error;
  switch (codeOf(error)) {
    case "ECONNREFUSED":
      return new WrennError("port_not_listening", { port }, { cause: error });
    case "ETIMEDOUT":
      return new WrennError(
        "port_timeout",
        { port, action: "take the connection", ms: connectMs },
        { cause: error },
      );
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
    case "EMFILE":
    case "ENFILE":
      return new WrennError("port_unreachable", { port, problem: problemOf(error) }, { cause: error });
    default:
      // A reset, a hang-up, or something the strict HTTP parser refuses.
      return new WrennError("port_hung_up", { port, problem: problemOf(error) }, { cause: error });
  }
}
