import { DEFAULT_TAG } from "@wrenn/database";
import { Type } from "typebox";

const SAFE = "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}";
const NAMESPACE = "[a-z0-9][a-z0-9_-]{0,63}";

/** A template that is made: a name, and the tag that its version gets. */
export const NewTemplateName = Type.String({
  pattern: `^${SAFE}(:${SAFE})?$`,
  description:
    "`name` or `name:tag`; both have 1 to 64 of letters, digits, dot, underscore, hyphen, and begin with a letter or digit. Without a tag: `default`",
});

const REFERENCE = `^(${NAMESPACE}/)?${SAFE}(:${SAFE})?$`;

/** A template that is used. */
export const TemplateReference = Type.String({
  pattern: REFERENCE,
  description:
    "`name`, `name:tag`, or `team/name:tag` with the slug of a team that made the template public. Without a tag: `default`",
});

/** Whether a text has the form of {@link TemplateReference}. */
export function isTemplateReference(text: string): boolean {
  return new RegExp(REFERENCE).test(text);
}

/** A tag in a path. */
export const Tag = Type.String({
  pattern: `^${SAFE}$`,
  description: "1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit",
});

/** A reference in its parts. */
export interface TemplateNameParts {
  /** Slug of the team whose template it is; undefined: the caller's own, or the platform's. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly tag: string;
}

/** The parts of a reference of the form of {@link TemplateReference}. */
export function parseTemplateName(reference: string): TemplateNameParts {
  const slash = reference.indexOf("/");
  const rest = reference.slice(slash + 1);
  const [name = "", tag = DEFAULT_TAG] = rest.split(":");
  return { namespace: slash < 0 ? undefined : reference.slice(0, slash), name, tag };
}

/** A reference without its tag: what a template is called, whichever version of it is used. */
export function untaggedName(reference: string): string {
  const { namespace, name } = parseTemplateName(reference);
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The short form: without a tag for the default one. */
export function templateNameOf({ name, tag }: Pick<TemplateNameParts, "name" | "tag">): string {
  return tag === DEFAULT_TAG ? name : `${name}:${tag}`;
}
