import { createSubscriber } from "svelte/reactivity";

const EVERY_MS = 10_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, EVERY_MS);
  return () => clearInterval(timer);
});

/** The present, which what shows ages follows; no timer runs while nothing does. */
export const now = {
  /** Milliseconds since 1970. */
  get ms(): number {
    subscribe();
    return Date.now();
  },
};
