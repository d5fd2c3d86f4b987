import { Socket } from "node:net";
import { brokeOff, endWriting, reset } from "./endings.ts";
import type { Exchange, Rest, UpgradedClient } from "./exchange.ts";
import { pump } from "./pump.ts";

/** How often TCP asks a silent peer whether it is still there. */
const PROBE_MS = 60_000;
const NOTHING = Buffer.alloc(0);

/** What of an exchange goes on after its messages. */
type SpliceOptions = Pick<Exchange, "signal" | "limits" | "onBytes">;

/** Joins two connections byte by byte, each direction ending on its own. A break on one side breaks the other. */
export function splicing(a: UpgradedClient, b: UpgradedClient, exchange: SpliceOptions): Rest {
  const { signal, limits, onBytes } = exchange;
  return restOf(alone(a), alone(b), { signal, limits, onBytes });
}

// Closures keep everything alive that another closure of the same function mentions, so this one is on its own.
function restOf(a: UpgradedClient, b: UpgradedClient, options: SpliceOptions): Rest {
  return async () => splice(a, b, options);
}

/** Without bytes the head is only a part of a larger buffer that it keeps. */
function alone({ socket, head }: UpgradedClient): UpgradedClient {
  return { socket, head: head.length === 0 ? NOTHING : head };
}

/** Resolves when both are closed. */
async function splice(a: UpgradedClient, b: UpgradedClient, options: SpliceOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { signal, limits, onBytes } = options;
  let open = 2;
  const breakBoth = (): void => {
    for (const { socket } of [a, b]) reset(socket);
  };
  const idle = setTimeout(breakBoth, limits.upgradedIdleMs);
  const moved = (size: number): void => {
    idle.refresh();
    onBytes(size);
  };
  const join = (from: UpgradedClient, to: UpgradedClient): void => {
    if (from.socket instanceof Socket) {
      from.socket.setNoDelay(true);
      from.socket.setKeepAlive(true, PROBE_MS);
      from.socket.setTimeout(0);
    }
    from.socket.on("error", breakBoth);
    from.socket.once("close", () => {
      open -= 1;
      // Closed before both ends were seen: the other side must not wait for bytes that cannot come.
      if (brokeOff(from.socket)) reset(to.socket);
      else if (!from.socket.writableFinished) to.socket.destroy();
      if (open === 0) resolve();
    });
    if (from.head.length > 0) {
      moved(from.head.length);
      to.socket.write(from.head);
    }
    pump(from.socket, to.socket, moved, () => {
      if (!brokeOff(from.socket)) endWriting(to.socket);
    });
  };
  join(a, b);
  join(b, a);
  signal.addEventListener("abort", breakBoth, { once: true });
  if (signal.aborted || a.socket.destroyed || b.socket.destroyed) breakBoth();
  try {
    await promise;
  } finally {
    clearTimeout(idle);
    signal.removeEventListener("abort", breakBoth);
  }
}
