import { WrennError } from "../errors/wrenn-error.ts";
import { problemOf } from "./answer.ts";
import type { ConnectionSettings } from "./connection.ts";
import { platform } from "./platform.ts";

const PROBE_MS = 5000;

/** Codes of OpenSSL and Node.js for certificates that no known authority signed, and what other runtimes write instead. */
const UNKNOWN_AUTHORITY = /SELF_SIGNED|UNABLE_TO_|self.signed|unable to (?:get|verify)|UnknownIssuer/;

/** The error of a request that did not reach the server. */
export function connectionFailed(what: string, url: string, cause: unknown): WrennError {
  const problem = problemOf(cause);
  const remedy = UNKNOWN_AUTHORITY.test(problem)
    ? "Set WRENN_CA_FILE (or caFile) to the file with the certificate authority of the server or of its proxy."
    : "Check that the server runs and that url (WRENN_URL) is its address.";
  return new WrennError(
    { code: "connection_failed", message: `${what} did not reach ${url}: ${problem}`, remedy },
    { cause },
  );
}

/**
 * The error of a WebSocket that could not be opened. Runtimes do not say why, so a request finds out whether the server can be
 * reached at all.
 *
 * @param error - what the runtime said.
 */
export async function socketFailed(
  settings: ConnectionSettings,
  path: string,
  error: unknown,
): Promise<WrennError> {
  const what = `WebSocket ${path}`;
  try {
    const send = settings.fetch ?? (await platform().fetch(settings, { isPatient: false, isOnce: false }));
    const answer = await send(`${settings.url}/v1/info`, { signal: AbortSignal.timeout(PROBE_MS) });
    await answer.body?.cancel();
  } catch (cause) {
    return cause instanceof WrennError ? cause : connectionFailed(what, settings.url, cause);
  }
  const said = problemOf(error);
  return new WrennError(
    {
      code: "connection_failed",
      message: `${what} could not be opened, although ${settings.url} answers requests${said === "" ? "" : `: ${said}`}`,
      remedy: "Check that proxies between here and the server pass WebSockets on.",
    },
    { cause: error },
  );
}
