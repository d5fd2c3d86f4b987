import { constants, Http2ServerResponse } from "node:http2";
import type { AccessGrant } from "./access-grants.ts";
import type { AccessWatch } from "./access-watch.ts";
import type { WaitingReply } from "./waiting-client.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The request may end what it was admitted by, such as a log-out: it is answered all the same. */
    endsOwnAccess?: boolean;
  }
}

/** Ends a request with the grant that it rests on: its connection or HTTP/2 stream is destroyed, as if the client had left. */
export function watchRequest(watch: AccessWatch, grant: AccessGrant, { raw, request }: WaitingReply): void {
  const release = watch.hold(grant, () => {
    if (raw instanceof Http2ServerResponse) raw.stream.close(constants.NGHTTP2_CANCEL);
    // The response to a pipelined request has no connection before it is its turn.
    else request.raw.socket.destroy();
  });
  raw.once("close", release);
  if (raw instanceof Http2ServerResponse ? raw.stream.destroyed : raw.destroyed) release();
}
