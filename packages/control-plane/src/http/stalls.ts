import { WrennError } from "@wrenn/core";

/**
 * Passes content through while it arrives. A connection that drops without a sign would otherwise keep its upload in use.
 *
 * @throws WrennError `body_stalled` while iterating, when nothing arrives for `ms` although it is waited for.
 */
export async function* withoutStalls(
  content: AsyncGenerator<Uint8Array, void>,
  ms: number,
): AsyncGenerator<Uint8Array, void> {
  try {
    for (;;) {
      const { promise: stalled, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new WrennError("body_stalled", { seconds: ms / 1000 })), ms);
      const next = content.next();
      next.catch(() => {});
      try {
        const { value, done } = await Promise.race([next, stalled]);
        if (done === true) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    // One that waits for bytes that never come would not return.
    content.return().catch(() => {});
  }
}
