import { constants } from "node:http2";
import type { Http2Stream } from "node:http2";
import { Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

const NOTHING = Buffer.alloc(0);

/** Ends a direction of a connection after what was written to it. */
export function endWriting(socket: Duplex): void {
  if (!isTcp(socket)) {
    socket.end();
    return;
  }
  // While a connection waits to be shut down it cannot be reset, so shutting down waits until nothing else is waiting.
  socket.write(NOTHING, (error) => {
    if (!error) socket.end();
  });
}

/** Breaks a connection: its peer gets a reset and knows that the stream is not complete. */
export function reset(socket: Duplex): void {
  if (socket.destroyed) return;
  if (isStream(socket)) {
    // RFC 8441 §5: CANCEL stands for a reset. Closing the stream with it would end the data properly first.
    addAbortSignal(AbortSignal.abort(), socket);
  } else if (!isTcp(socket)) socket.destroy();
  else if (!socket.writableEnded || socket.writableFinished) socket.resetAndDestroy();
  else socket.once("finish", () => socket.resetAndDestroy());
}

/** Whether the connection's bytes stopped before their end. A stream of HTTP/2 that was reset seems to have ended too. */
export function brokeOff(socket: Duplex): boolean {
  return !socket.readableEnded || (isStream(socket) && socket.rstCode !== constants.NGHTTP2_NO_ERROR);
}

function isTcp(socket: Duplex): socket is Socket {
  return socket instanceof Socket && !(socket instanceof TLSSocket);
}

function isStream(socket: Duplex): socket is Http2Stream {
  return "rstCode" in socket;
}
