import type { ServerResponse } from "node:http";

const BAD_REQUEST = 400;
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
