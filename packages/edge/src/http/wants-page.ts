import type { IncomingHttpHeaders } from "node:http";

/** Every browser's User-Agent begins so; programs that keep cookies, such as curl, do not. */
const BROWSER = /^Mozilla\//;

/** Whether the User-Agent of a request is that of a browser. */
export function isBrowser(headers: IncomingHttpHeaders): boolean {
  return BROWSER.test(headers["user-agent"] ?? "");
}

/**
 * Whether a person is to read the answer: the request is a browser's navigation. Scripts of pages say by Sec-Fetch-Mode that theirs is
 * none, whatever they accept. The User-Agent counts only where nothing else does.
 */
export function wantsPage(headers: IncomingHttpHeaders): boolean {
  const mode = headers["sec-fetch-mode"];
  if (mode !== undefined) return mode === "navigate";
  const { accept } = headers;
  return accept === undefined ? isBrowser(headers) : accept.includes("text/html");
}
