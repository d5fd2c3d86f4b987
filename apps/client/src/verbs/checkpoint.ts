import type { Capsule, Checkpoint } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ageText, bytesText } from "../output/describe-capsule.ts";
import { pickOne } from "../output/pick-one.ts";
import { renderTable } from "../output/table.ts";

/** Lists the moments that a capsule can go back to, newest first. */
export async function list(context: Context, reference: string): Promise<void> {
  const capsule = await context.capsule(reference);
  const checkpoints = await capsule.checkpoints({ signal: context.signal });
  const now = Date.now();
  context.output.data(checkpoints, () =>
    renderTable<Checkpoint>(
      [
        { title: "id", value: ({ id }) => id },
        { title: "name", value: ({ name = "" }) => name },
        { title: "kind", value: ({ kind, isDiskOnly }) => (isDiskOnly ? `${kind}, disk only` : kind) },
        { title: "memory", value: ({ memoryBytes }) => bytesText(memoryBytes), isNumber: true },
        { title: "age", value: ({ createdAt }) => ageText(createdAt, now) },
      ],
      checkpoints,
    ),
  );
}

/** Keeps this moment of a running capsule and prints the id of the checkpoint. */
export async function create(
  context: Context,
  reference: string,
  { name }: { readonly name?: string },
): Promise<void> {
  const capsule = await context.capsule(reference);
  const checkpoint = await capsule.checkpoint(name, { signal: context.signal });
  context.output.data(checkpoint, () => `${checkpoint.id}\n`);
}

/** Deletes checkpoints of a capsule. */
export async function remove(
  context: Context,
  reference: string,
  checkpoints: readonly string[],
): Promise<void> {
  const capsule = await context.capsule(reference);
  const found = await findCheckpoints(context, capsule, checkpoints);
  for (const { id } of found) await capsule.deleteCheckpoint(id, { signal: context.signal });
  context.output.data(
    found.map(({ id }) => ({ id })),
    () => found.map(({ id }) => `${id}\n`).join(""),
  );
}

/** Takes a capsule back to a checkpoint, and prints the id of the capsule. */
export async function restore(context: Context, reference: string, checkpoint: string): Promise<void> {
  const capsule = await context.capsule(reference);
  const [found] = await findCheckpoints(context, capsule, [checkpoint]);
  const info = await capsule.restore(found?.id ?? checkpoint, { signal: context.signal });
  context.output.data(info, () => `${info.id}\n`);
}

/** All of them, before the first is changed. */
async function findCheckpoints(
  { signal }: Context,
  capsule: Capsule,
  references: readonly string[],
): Promise<readonly Checkpoint[]> {
  const known = await capsule.checkpoints({ signal });
  return references.map((reference) =>
    pickOne(reference, known, {
      kind: "checkpoint",
      idOf: ({ id }) => id,
      namesOf: ({ name }) => [name],
      list: `wrenn checkpoint ls ${capsule.id}`,
    }),
  );
}
