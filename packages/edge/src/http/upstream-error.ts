import { problemOf, WrennError } from "@wrenn/core";
import { codeOf } from "../upstream/dial.ts";
import type { ExchangeLimits } from "./exchange.ts";

/** What a failed exchange with a service means to the client. */
export function upstreamError(
  error: unknown,
  port: number,
  { connectMs, headBytes }: Pick<ExchangeLimits, "connectMs" | "headBytes">,
): WrennError {
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
    case "HPE_HEADER_OVERFLOW":
      return new WrennError("port_head_too_large", { port, limit: headBytes }, { cause: error });
    default:
      // A reset, a hang-up, or something the strict HTTP parser refuses.
      return new WrennError("port_hung_up", { port, problem: problemOf(error) }, { cause: error });
  }
}
