import type { Context } from "../context.ts";

export interface SnapshotVerbOptions {
  readonly overwrite?: boolean;
}

/** Makes a template of a capsule, which stays paused, and prints what `create --template` takes. */
export async function create(
  context: Context,
  reference: string,
  name: string | undefined,
  { overwrite }: SnapshotVerbOptions,
): Promise<void> {
  const capsule = await context.capsule(reference);
  const template = await capsule.snapshot(name, { overwrite, signal: context.signal });
  context.output.data(template, () => `${name ?? template.reference}\n`);
  context.output.note(`Capsule ${capsule.id} is paused; \`wrenn resume ${capsule.id}\` goes on with it.`);
}
