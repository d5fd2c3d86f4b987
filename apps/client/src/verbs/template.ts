import type { Template, TemplateListOptions } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { ageText, bytesText, sizeText } from "../output/describe-capsule.ts";
import { renderTable } from "../output/table.ts";

/** Lists templates, newest first. */
export async function list(
  context: Context,
  { scope }: { readonly scope: TemplateListOptions["scope"] },
): Promise<void> {
  const wrenn = await context.wrenn();
  const found: Template[] = [];
  for await (const template of wrenn.templates.list({ scope, signal: context.signal })) found.push(template);
  const now = Date.now();
  context.output.data(found, () =>
    renderTable<Template>(
      [
        { title: "name", value: ({ reference }) => reference },
        { title: "version", value: ({ version }) => String(version ?? ""), isNumber: true },
        { title: "type", value: ({ type }) => type },
        { title: "cpus", value: ({ vcpus }) => String(vcpus ?? ""), isNumber: true },
        {
          title: "memory",
          value: ({ memoryMib }) => (memoryMib === undefined ? "" : sizeText(memoryMib)),
          isNumber: true,
        },
        { title: "size", value: ({ sizeBytes }) => bytesText(sizeBytes), isNumber: true },
        {
          title: "of",
          value: ({ isPlatform, isPublic }) => (isPlatform ? "platform" : isPublic ? "public" : "team"),
        },
        { title: "age", value: ({ createdAt }) => ageText(createdAt, now) },
      ],
      found,
    ),
  );
}

/** Deletes templates, or one version of one. */
export async function remove(
  context: Context,
  names: readonly string[],
  { version }: { readonly version?: number },
): Promise<void> {
  const { templates } = await context.wrenn();
  const [name = ""] = names;
  if (version !== undefined && names.length > 1)
    throw new ClientError(
      "usage",
      "one_template_needed",
      "--version is the version of one template",
      "Name one template, or leave --version out.",
    );
  if (version !== undefined) await templates.deleteVersion(name, version, { signal: context.signal });
  else for (const one of names) await templates.delete(one, { signal: context.signal });
  const removed = names.map((one) => (version === undefined ? { name: one } : { name: one, version }));
  context.output.data(removed, () => names.map((one) => `${one}\n`).join(""));
}

/** Lets every team start capsules from a template, or no longer, and prints its name. */
export async function publish(context: Context, name: string, isPublic: boolean): Promise<void> {
  const { templates } = await context.wrenn();
  const template = await templates.setPublic(name, isPublic, { signal: context.signal });
  context.output.data(template, () => `${template.name}\n`);
  if (isPublic && !context.output.isJson)
    context.output.note(
      `Every team may now start capsules with the memory and files of ${template.name}: \`wrenn template ls --scope public\` lists it.`,
    );
}

/** Gives a tag to a version, or takes it away. */
export async function tag(
  context: Context,
  name: string,
  word: string,
  { version, remove: isRemoved }: { readonly version?: number; readonly remove?: boolean },
): Promise<void> {
  const { templates } = await context.wrenn();
  const { signal } = context;
  if ((version === undefined) !== (isRemoved === true))
    throw new ClientError(
      "usage",
      "option_missing",
      "one of --version and --remove says what becomes of the tag",
      "Write --version 2 to give it to version 2, or --remove.",
    );
  if (version === undefined) await templates.removeTag(name, word, { signal });
  else await templates.setTag(name, word, version, { signal });
  context.output.data({ name, tag: word, version: version ?? null }, () => `${name}:${word}\n`);
}
