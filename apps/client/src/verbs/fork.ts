import type { Context } from "../context.ts";

/** Starts capsules from this moment of a running one and prints their ids. */
export async function fork(
  context: Context,
  reference: string,
  { count }: { readonly count: number },
): Promise<void> {
  const capsule = await context.capsule(reference);
  const children = await capsule.fork(count, { signal: context.signal });
  context.output.data(
    children.map(({ lastInfo }) => lastInfo),
    () => children.map(({ id }) => `${id}\n`).join(""),
  );
}
