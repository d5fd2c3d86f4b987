import { defined } from "@wrenn/core";
import { platformHeaders, writeHead } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";

/** Sends a browser elsewhere with a cookie (Set-Cookie, whole); neither is kept, nor told to where it goes. */
export function redirectTo(
  request: EdgeRequest,
  response: EdgeResponse,
  location: string,
  cookie: string | undefined,
): void {
  writeHead(
    response,
    303,
    "See Other",
    Object.entries({
      ...platformHeaders(request),
      // Nothing is shown, and where it leads to decides itself about its opener.
      "cross-origin-opener-policy": "unsafe-none",
      Location: location,
      "Content-Length": "0",
      ...defined({ "Set-Cookie": cookie }),
    }).flat(),
  );
  response.end();
}
