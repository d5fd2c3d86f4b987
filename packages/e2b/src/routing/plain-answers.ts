import type { ServerResponse } from "node:http";

const BAD_REQUEST = 400;
const FORBIDDEN = 403;
const INTERNAL_ERROR = 500;
const BAD_GATEWAY = 502;

/** Answers a request whose target cannot be read. */
export function answerBadTarget(response: ServerResponse, problem: string): void {
  response.writeHead(BAD_REQUEST, { "content-type": "text/plain; charset=utf-8" });
  response.end(problem);
}

/** Answers a request for a sandbox that does not exist, or is paused and not resumed by requests. Clients compare the text literally. */
export function answerNoSandbox(response: ServerResponse, sandboxId: string): void {
  response.writeHead(BAD_GATEWAY, { "content-type": "application/json" });
  response.end(JSON.stringify({ sandboxId, message: "The sandbox was not found", code: BAD_GATEWAY }));
}

/** Answers a request for a port that takes the traffic token of its sandbox, and did not get it. */
export function answerPrivate(response: ServerResponse, sandboxId: string): void {
  response.writeHead(FORBIDDEN, { "content-type": "application/json" });
  const message = "The port is private: send the header e2b-traffic-access-token";
  response.end(JSON.stringify({ sandboxId, message, code: FORBIDDEN }));
}

/** Ends a request that failed here. */
export function answerFailure(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else {
    response.writeHead(INTERNAL_ERROR, { "content-type": "application/json" });
    response.end(JSON.stringify({ code: INTERNAL_ERROR, message: "the request failed" }));
  }
}
