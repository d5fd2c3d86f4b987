import { randomHex } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { protocolOf } from "../http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "../http/messages.ts";
import { redirectTo } from "../http/redirect.ts";
import type { PortTarget } from "../port-target.ts";
import { cookieName } from "./cookies.ts";
import { bindingOf, HOP_COOKIE, HOP_SEC, TICKET_PARAMETER } from "./port-session.ts";

const HOP_BYTES = 24;
/** The way back travels in the sign-in's own address. */
const LONGEST_URL = 4096;

/** A browser on its way to a private port. */
export interface SignInRequest {
  readonly target: PortTarget;
  /** Raw request target to come back to. */
  readonly url: string;
  readonly protocol: "http" | "https";
  /** What the ticket has to be bound to. */
  readonly binding: string;
}

/** Address that a person goes to for a ticket: the platform's, which knows who is logged in. */
export type SignInAddress = (asked: SignInRequest) => string;

/**
 * Whether a person's browser asks for a page. One that just came with a ticket has been to the sign-in already: it keeps no
 * cookies, and would go around for ever.
 */
export function maySignIn(request: EdgeRequest, url: string): boolean {
  const { headers, method } = request;
  const mode = headers["sec-fetch-mode"] ?? "navigate";
  const destination = headers["sec-fetch-dest"] ?? "document";
  return (
    method === "GET" &&
    url.length <= LONGEST_URL &&
    (headers.accept ?? "").includes("text/html") &&
    mode === "navigate" &&
    destination === "document" &&
    !url.includes(`${TICKET_PARAMETER}=`)
  );
}

/** Sends the browser to the sign-in, with a cookie that it has to come back with. */
export function sendToSignIn(
  asked: Pick<SignInRequest, "target" | "url"> & { readonly request: EdgeRequest },
  response: EdgeResponse,
  addressOf: SignInAddress,
  random: Random,
): void {
  const { request, target, url } = asked;
  const protocol = protocolOf(request);
  const hop = randomHex(random, HOP_BYTES);
  const secure = protocol === "https" ? "; Secure" : "";
  const cookie = `${cookieName(HOP_COOKIE, protocol, "")}=${hop}; Path=/; Max-Age=${HOP_SEC}; HttpOnly; SameSite=Lax${secure}`;
  redirectTo(request, response, addressOf({ target, url, protocol, binding: bindingOf(hop) }), cookie);
}
