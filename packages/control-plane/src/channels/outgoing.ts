import { lookup } from "node:dns/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { problemOf, withDeadline, WrennError } from "@wrenn/core";
import { isPublicAddress } from "@wrenn/network";

const ANSWER_MS = 10_000;

export interface OutgoingRequest {
  readonly method: "POST" | "PUT";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where requests that users ask for may go. */
export interface OutgoingPolicy {
  /** Addresses that a name stands for. */
  resolve(host: string): Promise<readonly string[]>;
  permits(address: string): boolean;
  readonly plainHttp: boolean;
}

/** HTTPS to the public internet. */
export const publicInternet: OutgoingPolicy = {
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  permits: isPublicAddress,
  plainHttp: false,
};

/**
 * Sends a request to an address that a user gave. The connection goes to the address that was examined, so that a name which
 * changes in between leads nowhere else; redirects are not followed, and nothing of the answer but its status is read.
 *
 * @throws WrennError `target_refused`, `delivery_failed`; neither carries path, query, headers or body, which may be secrets.
 */
export async function send(
  policy: OutgoingPolicy,
  out: OutgoingRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { url } = out;
  if (url.protocol !== "https:" && !(policy.plainHttp && url.protocol === "http:"))
    throw new WrennError("target_refused", { target: url.host, problem: "only https is spoken" });
  if (url.username !== "" || url.password !== "")
    throw new WrennError("target_refused", {
      target: url.host,
      problem: "the URL carries a user or password",
    });
  let status: number;
  try {
    status = await withDeadline("the answer", ANSWER_MS, signal, async (within) => {
      const address = await examine(policy, url);
      return await exchange(out, address, within);
    });
  } catch (error) {
    if (WrennError.is(error, "target_refused")) throw error;
    throw new WrennError("delivery_failed", { target: url.host, problem: problemOf(error) });
  }
  if (status < 200 || status > 299)
    throw new WrennError("delivery_failed", { target: url.host, problem: `it answered ${status}` });
}

/** One bad address is enough to refuse a name: which of them is used is not the sender's choice. */
async function examine(policy: OutgoingPolicy, url: URL): Promise<string> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = isIP(host) === 0 ? await policy.resolve(host) : [host];
  const [first] = addresses;
  if (first === undefined || !addresses.every((address) => policy.permits(address)))
    throw new WrennError("target_refused", {
      target: url.host,
      problem: "it is not an address of the public internet",
    });
  // Machines without IPv6 are more common than services without IPv4.
  return addresses.find((address) => isIP(address) === 4) ?? first;
}

async function exchange(out: OutgoingRequest, address: string, signal: AbortSignal): Promise<number> {
  const answered = Promise.withResolvers<number>();
  const request = (out.url.protocol === "https:" ? requestHttps : requestHttp)(
    out.url,
    {
      method: out.method,
      // No kept connection: it might lead to an address that was examined for another name.
      agent: false,
      signal,
      headers: {
        ...out.headers,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(out.body),
      },
      lookup: (_host, options, done) => {
        const family = isIP(address);
        if (options.all === true) done(null, [{ address, family }]);
        else done(null, address, family);
      },
    },
    (response) => {
      answered.resolve(response.statusCode ?? 0);
      response.destroy();
    },
  );
  request.on("error", answered.reject);
  request.end(out.body);
  return await answered.promise;
}
