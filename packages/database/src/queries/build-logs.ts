import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { BuildLinesTable, BuildStepsTable } from "../build-tables.ts";
import type { Db } from "../schema.ts";

export type BuildLine = Omit<Selectable<BuildLinesTable>, "build_id">;
export type BuildStep = Omit<Selectable<BuildStepsTable>, "build_id">;

/**
 * Adds lines to the log of a build while its control plane runs it.
 *
 * @param dropped - how many lines more were not kept.
 * @returns false when the build is no longer this control plane's; then nothing is added.
 */
export async function appendLines(
  db: Db,
  id: string,
  owner: string,
  lines: readonly BuildLine[],
  dropped: number,
): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    const result = await trx
      .updateTable("builds")
      .set((eb) => ({ dropped_lines: eb("dropped_lines", "+", dropped) }))
      .where("id", "=", id)
      .where("owner", "=", owner)
      .where("status", "=", "running")
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return false;
    if (lines.length > 0)
      await trx
        .insertInto("build_lines")
        .values(
          lines.map((line) => ({
            build_id: id,
            seq: line.seq,
            step: line.step,
            stream: line.stream,
            text: line.text,
            at: line.at,
          })),
        )
        .execute();
    return true;
  });
}

/** Lines from one number on, in their order. */
export async function readLines(
  db: Db,
  id: string,
  from: number,
  limit: number,
): Promise<readonly BuildLine[]> {
  return await db
    .selectFrom("build_lines")
    .select(["seq", "step", "stream", "text", "at"])
    .where("build_id", "=", id)
    .where("seq", ">=", from)
    .orderBy("seq")
    .limit(limit)
    .execute();
}

/** Records a step that has ended, while the control plane runs the build. */
export async function insertStep(db: Db, id: string, owner: string, step: BuildStep): Promise<void> {
  await sql`
    insert into build_steps (build_id, step, phase, cmd, stdout, stderr, exit, ok, cached, elapsed_ms)
    select id, ${step.step}, ${step.phase}, ${step.cmd}, ${step.stdout}, ${step.stderr}, ${step.exit}::integer,
      ${step.ok}::boolean, ${step.cached}::boolean, ${step.elapsed_ms}::integer
    from builds where id = ${id} and owner = ${owner} and status = 'running'
    on conflict do nothing`.execute(db);
}

/** The steps of a build that have ended. */
export async function listSteps(db: Db, id: string): Promise<readonly BuildStep[]> {
  return await db
    .selectFrom("build_steps")
    .select(["step", "phase", "cmd", "stdout", "stderr", "exit", "ok", "cached", "elapsed_ms"])
    .where("build_id", "=", id)
    .orderBy("step")
    .execute();
}
