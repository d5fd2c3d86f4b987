import { isTemplateReference, parseTemplateName } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A reference to a template in its parts. */
export interface TemplateName {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly tag: string;
}

/** A reference as the platform knows it: without space around it, in lower case. @throws WrennError `template_not_found`. */
export function templateReference(text: string): string {
  const reference = text.trim().toLowerCase();
  if (!isTemplateReference(reference)) throw new WrennError("template_not_found", { template: reference });
  return reference;
}

/**
 * The name of a template that the team makes, or one of its own.
 *
 * @param slug - of the team: another namespace is not its own.
 * @throws WrennError `invalid_field`.
 */
export function ownName(text: string, slug: string, field: string): TemplateName {
  const reference = text.trim().toLowerCase();
  if (!isTemplateReference(reference))
    throw new WrennError("invalid_field", { field, problem: "is not a template name" });
  const parts = parseTemplateName(reference);
  if (parts.namespace !== undefined && parts.namespace !== slug)
    throw new WrennError("invalid_field", { field, problem: `has a namespace that is not ${slug}` });
  requireTag(parts.tag, field);
  return parts;
}

/** @throws WrennError `invalid_field` for a text that is no tag. */
export function requireTag(tag: string, field: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(tag) || UUID.test(tag))
    throw new WrennError("invalid_field", {
      field,
      problem: `has ${JSON.stringify(tag.slice(0, 64))}, which is no tag`,
    });
}
