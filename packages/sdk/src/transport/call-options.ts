import { connectionOptionNames, connectionSettings } from "./connection.ts";
import type { ConnectionOptions } from "./connection.ts";
import { HttpClient } from "./http.ts";
import { invalidOption, requireKnownOptions } from "./options.ts";

/** Options of a call that has no others. */
export interface CallOptions {
  /** Ends the call, which rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** A `Wrenn`, as static calls take it. */
export interface SharedClient {
  /** Address of the server. */
  readonly url: string;
}

/** Where a static call goes: to a client that is shared, or to the server of its own connection options. */
export interface ClientOptions extends ConnectionOptions {
  /** Instead of connection options: the {@link Wrenn} whose connection is used. */
  readonly client?: SharedClient | undefined;
}

/**
 * The client of a static call.
 *
 * @param own - names of the options that the call has besides.
 * @throws WrennError `unknown_option`, `not_configured`, `invalid_option`.
 */
export function clientOf(call: string, options: ClientOptions, own: readonly string[]): HttpClient {
  requireKnownOptions(call, options, [...own, "client", ...connectionOptionNames]);
  const { client } = options;
  if (!client) return new HttpClient(connectionSettings(options));
  const other = connectionOptionNames.find((name) => options[name] !== undefined);
  if (other !== undefined) throw invalidOption(call, other, "cannot be given together with client");
  // Of another copy of the package, too.
  const { http } = client as { readonly http?: HttpClient };
  if (!http) throw invalidOption(call, "client", "must be a Wrenn");
  return http;
}

/** Refuses what is not {@link CallOptions}. @throws WrennError `unknown_option`. */
export function requireCallOptions(call: string, options: CallOptions): void {
  requireKnownOptions(call, options, ["signal"]);
}
