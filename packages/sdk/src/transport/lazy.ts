/** An object all of whose members are methods that give promises. */
type AsyncMethods<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: never[]) => Promise<unknown> ? T[Name] : never;
};

type AnyMethod = (...args: readonly unknown[]) => Promise<unknown>;

/**
 * An object that is loaded at its first call, so that bundles for browsers begin small: it can be called like the loaded one. A load
 * that fails rejects the calls that waited for it; the next call tries again.
 *
 * @param load - imports the module and makes the object.
 */
export function lazily<T extends AsyncMethods<T>>(load: () => Promise<T>): T {
  let loading: Promise<T> | undefined;
  const loaded = async (): Promise<T> => {
    loading ??= load();
    try {
      return await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  };
  const methodOf = (name: string): AnyMethod => {
    const method: AnyMethod = async (...args) => {
      const object = await loaded();
      return await (object as Readonly<Record<string, AnyMethod>>)[name]?.(...args);
    };
    return method;
  };
  // Methods are kept on the target, so that each is one function, and can be replaced by those who test their own code.
  return new Proxy<Record<string, AnyMethod>>(
    {},
    {
      get: (methods, name) => {
        // Not a promise, although every name is a method.
        if (typeof name === "symbol" || name === "then") return undefined;
        return (methods[name] ??= methodOf(name));
      },
    },
  ) as unknown as T;
}
