import { eventKindsByName } from "@wrenn/control-plane";
import type { EventKind } from "@wrenn/control-plane";

const audiences: Readonly<Record<EventKind["audience"], string>> = {
  team: "everyone with the right to read",
  people: "logins",
  keepers: "owners, admins, the key's creator",
};

/** `docs/reference/events.md`: every kind of event. */
export function renderEventReference(): string {
  const lines = [
    "# Kinds of events",
    "",
    "Generated from `packages/control-plane/src/events/event-kinds.ts` by `npm run reference`; do not edit. [The guide](../guides/events.md) shows how to use them.",
    "",
    "Each event has `event`, `timestamp`, `team_id`, `actor`, `resource` and `data`. `data` has the fields of its kind; fields with `?` can be absent. Events that are not stored have no id, and are sent only to streams that ask for their kind and for one capsule.",
    "",
    "| event | when | resource | data | stored | received by | since |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const [name, { summary, resource, data, stored, audience, since }] of eventKindsByName) {
    const fields = fieldsOf(data).join(", ");
    const cells = [`\`${name}\``, summary, `\`${resource}\``, fields, stored ? "yes" : "no"];
    lines.push(`| ${[...cells, audiences[audience], since].join(" | ")} |`);
  }
  lines.push("", "## Fields", "", "| event | field | meaning |", "| --- | --- | --- |");
  const seen = new Set<unknown>();
  for (const [name, { data }] of eventKindsByName) {
    if (seen.has(data)) continue;
    seen.add(data);
    const sharing = [...eventKindsByName].filter(([, kind]) => kind.data === data).map(([one]) => one);
    const group = sharing.length > 1 ? `\`${commonPrefix(name)}*\`` : `\`${name}\``;
    for (const [field, description] of describedFields(data))
      lines.push(`| ${group} | \`${field}\` | ${description} |`);
  }
  return `${lines.join("\n")}\n`;
}

function propertiesOf(schema: object): readonly [string, object][] {
  const properties: unknown = "properties" in schema ? schema.properties : undefined;
  return typeof properties === "object" && properties !== null ? Object.entries(properties) : [];
}

function fieldsOf(schema: object): readonly string[] {
  const required: unknown = "required" in schema ? schema.required : [];
  const needed = new Set(Array.isArray(required) ? required : []);
  return propertiesOf(schema).map(([name]) => `\`${name}\`${needed.has(name) ? "" : "?"}`);
}

function describedFields(schema: object): readonly [string, string][] {
  return propertiesOf(schema).flatMap(([name, property]): [string, string][] =>
    "description" in property ? [[name, String(property.description)]] : [],
  );
}

function commonPrefix(name: string): string {
  return name.slice(0, name.indexOf(".") + 1);
}
