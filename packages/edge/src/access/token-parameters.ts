import { TICKET_PARAMETER } from "./port-session.ts";
import { LINK_PARAMETER } from "./signed-link.ts";

/** Takes a parameter out of the query of a raw request target; every other byte of it stays as it was. */
export function takeParameter(
  url: string,
  name: string,
): { readonly url: string; readonly value: string | undefined } {
  const at = url.indexOf("?");
  if (at === -1 || !url.includes(`${name}=`, at)) return { url, value: undefined };
  let value: string | undefined;
  const kept = url
    .slice(at + 1)
    .split("&")
    .filter((pair) => {
      if (!pair.startsWith(`${name}=`)) return true;
      value ??= pair.slice(name.length + 1);
      return false;
    });
  return { url: url.slice(0, at) + (kept.length > 0 ? `?${kept.join("&")}` : ""), value };
}

const TOKEN = new RegExp(`([?&])(?:${LINK_PARAMETER}|${TICKET_PARAMETER})=[^&#\\s"',;]*`, "g");

/**
 * A header field's value without the tokens of links and tickets: Referer has the address of a page that was opened by a
 * link, and proxies in front of the edge add the address of the request itself.
 */
export function withoutTokenParameters(value: string): string {
  return value.includes("wrenn_") ? value.replaceAll(TOKEN, "$1").replaceAll(/([?&])&+/g, "$1") : value;
}
