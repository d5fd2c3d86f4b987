import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Which methods of a client a test has called, found by looking at the client itself: a method that a release adds is one that no
 * test calls. A method that another one calls does not count.
 */
export class RecordedMethods {
  readonly #within = new AsyncLocalStorage<true>();
  readonly #uncalled = new Set<string>();

  /**
   * Watches the methods of a class or of objects with this prototype, inherited ones included.
   *
   * @param internal - what its declarations do not show to users.
   */
  watch(name: string, owner: object, internal: ReadonlySet<string> = new Set()): void {
    for (const [holder, method] of methodsOf(owner)) {
      const called: unknown = Reflect.get(holder, method);
      if (internal.has(method) || typeof called !== "function") continue;
      const key = `${name}.${method}`;
      this.#uncalled.add(key);
      const within = this.#within;
      const onCall = (): void => {
        if (within.getStore() !== true) this.#uncalled.delete(key);
      };
      const recorded = function (this: unknown, ...args: unknown[]): unknown {
        onCall();
        return within.run(true, () => Reflect.apply(called, this, args) as unknown);
      };
      Object.defineProperty(owner, method, { value: recorded, configurable: true, writable: true });
    }
  }

  /** As `Class.method`, sorted. */
  get uncalled(): readonly string[] {
    return [...this.#uncalled].toSorted();
  }
}

function* methodsOf(owner: object): Generator<readonly [holder: object, method: string]> {
  const seen = new Set<string>();
  for (
    let holder: object | null = owner;
    holder !== null && holder !== Object.prototype && holder !== Function.prototype;
    holder = Object.getPrototypeOf(holder) as object | null
  )
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof value !== "function" || name === "constructor" || name === "prototype" || seen.has(name))
        continue;
      seen.add(name);
      yield [holder, name];
    }
}
