import { defined } from "@wrenn/core";
import { writeHead } from "./messages.ts";
import type { EdgeResponse } from "./messages.ts";

/** Sends a browser elsewhere with a cookie (Set-Cookie, whole); neither is kept, nor told to where it goes. */
export function redirectTo(response: EdgeResponse, location: string, cookie: string | undefined): void {
  writeHead(
    response,
    303,
    "See Other",
    Object.entries({
      Location: location,
      "Content-Length": "0",
      ...defined({ "Set-Cookie": cookie }),
      "Cache-Control": "no-store",
      "Referrer-Policy": "no-referrer",
    }).flat(),
  );
  response.end();
}
