import { isWrennError } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "./client-error.ts";

/** For the version of a server that has just refused a request. */
const ASK_MS = 5000;

/** A request that the server has no route for is one of a newer version: the error says which one the server has. */
export async function explainOldServer(context: Context, error: unknown): Promise<unknown> {
  const isOld = isWrennError(error, "route_not_found") || isWrennError(error, "method_not_allowed");
  if (!isOld) return error;
  try {
    const wrenn = await context.wrenn();
    const { version } = await wrenn.info({ signal: AbortSignal.timeout(ASK_MS) });
    return new ClientError(
      "failed",
      "server_too_old",
      `${wrenn.url} runs version ${version}, which cannot do this: ${error.message}`,
      "Update the server, or use the command line of its version.",
      { cause: error },
    );
  } catch {
    return error;
  }
}
