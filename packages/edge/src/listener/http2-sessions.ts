import { constants } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Clock } from "@wrenn/core";
import type { ClientConnection, ClientConnections } from "./client-connections.ts";

const MINUTE_MS = 60_000;
/** Bytes of each stream that a client may send before they are read; those of all its streams count towards `unreadBytes`. */
export const STRANGER_WINDOW = 64 << 10;
/** The same of a client that showed credentials, whose uploads may come from far away. */
const KNOWN_WINDOW = 1 << 20;

/** Keeps one HTTP/2 connection within its limits: it is idle without streams, whatever else it sends, and its control frames are counted. */
export function limitSession(
  session: ServerHttp2Session,
  connection: ClientConnection,
  connections: Pick<ClientConnections, "begin" | "limits">,
  clock: Clock,
): void {
  const widen = (): void => {
    if (!session.destroyed) session.settings({ initialWindowSize: KNOWN_WINDOW });
  };
  connection.onAuthenticated = widen;
  if (connection.isAuthenticated) widen();
  session.on("stream", (stream: ServerHttp2Stream) => {
    stream.once("close", connections.begin(connection));
  });
  let since = clock.monotonic();
  let frames = 0;
  const count = (): void => {
    const now = clock.monotonic();
    if (now - since >= MINUTE_MS) {
      since = now;
      frames = 0;
    }
    frames += 1;
    if (frames > connections.limits.controlFrames)
      session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
  session.on("ping", count);
  session.on("remoteSettings", count);
}
