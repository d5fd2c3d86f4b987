import type { Capsule } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { statsColumns } from "../output/describe-stats.ts";
import type { Sample } from "../output/describe-stats.ts";
import { LiveTable } from "../output/live-table.ts";
import { renderTable } from "../output/table.ts";
import { LiveStats, MOST_MEASURED } from "../streams/live-stats.ts";

export interface StatsVerbOptions {
  /** False: once. */
  readonly stream: boolean;
}

/** Shows CPU, memory, disk and network of capsules, as they are measured or once. */
export async function stats(
  context: Context,
  references: readonly string[],
  { stream }: StatsVerbOptions,
): Promise<void> {
  const { output, signal, terminal } = context;
  if (stream) context.resumeIndefinitely();
  const named: Capsule[] = [];
  for (const reference of references) named.push(await context.capsule(reference));
  const find = async (): Promise<readonly Capsule[]> =>
    references.length > 0 ? named : await runningCapsules(context);
  if (!stream) {
    const samples = await lastSamples(await find(), signal);
    output.data(samples.map(sampleJson), () => renderTable(statsColumns, samples));
    return;
  }
  const found = await find();
  if (found.length > MOST_MEASURED)
    output.note(
      `wrenn: the first ${MOST_MEASURED} of ${found.length} capsules are shown; name those that you mean`,
    );
  const table = new LiveTable(terminal.stdout);
  for await (const samples of new LiveStats({ find, isFixed: references.length > 0, signal })) {
    const fresh = samples.filter(({ isNew }) => isNew);
    if (output.isJson) for (const sample of fresh) output.item(sampleJson(sample), () => "");
    else table.draw(renderTable(statsColumns, table.isTerminal ? samples : fresh));
  }
}

async function runningCapsules(context: Context): Promise<readonly Capsule[]> {
  const wrenn = await context.wrenn();
  const found: Capsule[] = [];
  for await (const capsule of wrenn.capsules.list({ status: ["running"], signal: context.signal }))
    found.push(capsule);
  return found;
}

/** The newest point of the last minutes of each, if there is one. */
async function lastSamples(capsules: readonly Capsule[], signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const capsule of capsules) {
    const { id, name } = capsule;
    const points = await capsule.metrics("5m", { signal });
    const point = points.at(-1);
    const before = points.at(-2);
    const ms = point && before ? point.at.getTime() - before.at.getTime() : undefined;
    samples.push({ id, name, point, ms });
  }
  return samples;
}

function sampleJson({ id, name, point }: Sample): unknown {
  return { id, ...(name === undefined ? {} : { name }), ...point };
}
