import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { BuildDurations, BuildLinesTable, BuildStepsTable } from "../build-tables.ts";
import type { Db, Trx } from "../schema.ts";

export type BuildLine = Omit<Selectable<BuildLinesTable>, "build_id">;
export type BuildStep = Omit<Selectable<BuildStepsTable>, "build_id">;

/** What is added to the log of a build, and what goes in return. */
export interface LogChange {
  readonly lines: readonly BuildLine[];
  /** Lines from one number to before another one that are deleted, and how many of the build are not there by then. */
  readonly deleted: { readonly from: number; readonly to: number; readonly count: number };
  readonly durations: BuildDurations;
  /** A step that has ended. */
  readonly step?: BuildStep | undefined;
}

/**
 * Changes the log of a build while its control plane runs it. What is there already is not added again.
 *
 * @returns false when the build is no longer this control plane's; then nothing is changed.
 */
export async function appendLines(db: Db, id: string, owner: string, change: LogChange): Promise<boolean> {
  const { lines, deleted, durations, step } = change;
  return await db.transaction().execute(async (trx) => {
    const result = await trx
      .updateTable("builds")
      .set({ dropped_lines: deleted.count, durations: JSON.stringify(durations) })
      .where("id", "=", id)
      .where("owner", "=", owner)
      .where("status", "=", "running")
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return false;
    if (deleted.to > deleted.from)
      await trx
        .deleteFrom("build_lines")
        .where("build_id", "=", id)
        .where("seq", ">=", deleted.from)
        .where("seq", "<", deleted.to)
        .execute();
    if (lines.length > 0) await insertLines(trx, id, lines);
    if (step)
      await trx
        .insertInto("build_steps")
        .values({
          build_id: id,
          step: step.step,
          phase: step.phase,
          cmd: step.cmd,
          stdout: step.stdout,
          stderr: step.stderr,
          exit: step.exit,
          ok: step.ok,
          cached: step.cached,
          elapsed_ms: step.elapsed_ms,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    return true;
  });
}

/** One array for each column: a statement with a parameter for each value takes many times as long. */
async function insertLines(trx: Trx, id: string, lines: readonly BuildLine[]): Promise<void> {
  const ended = lines.map((line) => line.ended && JSON.stringify(line.ended));
  await sql`
    insert into build_lines (build_id, seq, step, stream, text, at, ended)
    select ${id}::uuid, seq, step, stream, text, at, ended::jsonb
    from unnest(
      ${lines.map(({ seq }) => seq)}::integer[], ${lines.map(({ step }) => step)}::integer[],
      ${lines.map(({ stream }) => stream)}::text[], ${lines.map(({ text }) => text)}::text[],
      ${lines.map(({ at }) => at.toISOString())}::timestamptz[], ${ended}::text[]
    ) as line (seq, step, stream, text, at, ended)
    on conflict do nothing`.execute(trx);
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
    .select(["seq", "step", "stream", "text", "at", "ended"])
    .where("build_id", "=", id)
    .where("seq", ">=", from)
    .orderBy("seq")
    .limit(limit)
    .execute();
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
