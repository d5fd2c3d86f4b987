import type { EventType, WrennEvent } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { escapeText } from "../output/escape-text.ts";

export interface EventsVerbOptions {
  readonly follow?: boolean;
  readonly type?: readonly string[];
  readonly capsule?: string;
  readonly since?: Date;
  readonly tail?: number;
}

/** How many events are printed unless the user says so. */
const DEFAULT_TAIL = 100;

/** Prints events of the team or of a capsule, oldest first; with `follow` those to come, too. */
export async function events(context: Context, options: EventsVerbOptions): Promise<void> {
  const { follow = false, type, capsule: reference, since, tail } = options;
  const { signal, output } = context;
  if (follow) context.resumeIndefinitely();
  const source = reference === undefined ? await context.wrenn() : await context.capsule(reference);
  const types = type as readonly EventType[] | undefined;
  const print = (event: WrennEvent): void => output.item(event, () => eventLine(context, event));
  let after: string | undefined;
  if (!follow || tail !== undefined) {
    const limit = tail ?? (since === undefined ? DEFAULT_TAIL : undefined);
    const kept: WrennEvent[] = [];
    for await (const event of source.events({ types, since, limit, signal })) kept.push(event);
    for (const event of kept.toReversed()) print(event);
    after = kept.find(({ id }) => id !== undefined)?.id;
  }
  if (!follow) return;
  const begin = after === undefined ? { since } : { after };
  for await (const event of source.events({ follow, types, ...begin, signal })) print(event);
}

function eventLine({ output }: Context, { at, type, resource, actor, data }: WrennEvent): string {
  const who = actor === undefined ? [] : [`by ${actor.name ?? actor.id ?? actor.type}`];
  const values = Object.entries(data).map(([name, value]) => `${name}=${valueText(value)}`);
  const words = [resource?.id ?? "", ...who, ...values].filter((word) => word !== "");
  const head = `${output.styled(at.toISOString(), "dim")} ${output.styled(escapeText(type), "bold")}`;
  return `${[head, ...words.map(escapeText)].join(" ")}\n`;
}

function valueText(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return value instanceof Date ? value.toISOString() : (JSON.stringify(value) ?? "");
}
