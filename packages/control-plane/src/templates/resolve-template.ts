import { WrennError } from "@wrenn/core";
import { templateQueries } from "@wrenn/database";
import type { Db } from "@wrenn/database";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { builtInTemplates } from "./built-in-templates.ts";
import { parseTemplateName } from "./template-name.ts";

/** Slug of the team that owns what everyone sees. */
export const PLATFORM_SLUG = "platform";

/** The template that a reference stands for. */
export interface ResolvedTemplate {
  /** UUID of its team; the built-in ones are files of the hosts. */
  readonly owner: string;
  readonly name: string;
  readonly tag: string;
}

/**
 * Finds the template that a team means by a reference (docs/reference/rest-api.md#templates). Without a namespace: a built-in one, one
 * of the team, one of the platform, in this order. With one: a template of the team with this slug that is public, or the caller's. The
 * tag is not looked up.
 *
 * @throws WrennError `template_not_found`, alike for templates that do not exist and for those of others that are not public.
 */
export async function resolveTemplate(db: Db, teamId: string, reference: string): Promise<ResolvedTemplate> {
  const { namespace, name, tag } = parseTemplateName(reference);
  if (builtInTemplates.has(name) && (namespace === undefined || namespace === PLATFORM_SLUG))
    return { owner: "built-in", name, tag };
  const owner =
    namespace === undefined
      ? await ownerOf(db, teamId, name)
      : await publisherOf(db, teamId, namespace, name);
  if (owner === undefined) throw new WrennError("template_not_found", { template: reference });
  return { owner, name, tag };
}

/** A team's template comes before one that the platform gave the same name later. */
async function ownerOf(db: Db, teamId: string, name: string): Promise<string | undefined> {
  for (const owner of [teamId, PLATFORM_TEAM])
    if (await templateQueries.templateExists(db, owner, name)) return owner;
  return undefined;
}

/** What everyone starts from is made of templates of the platform only. */
async function publisherOf(
  db: Db,
  teamId: string,
  namespace: string,
  name: string,
): Promise<string | undefined> {
  if (teamId === PLATFORM_TEAM && namespace !== PLATFORM_SLUG) return undefined;
  return await templateQueries.findPublisher(db, namespace, name, [teamId, PLATFORM_TEAM]);
}

/** @throws WrennError `template_protected` for a template of the platform that the team cannot change, `template_not_found`. */
export async function requireOwnTemplate(db: Db, teamId: string, name: string): Promise<void> {
  if (!builtInTemplates.has(name)) {
    const owner = await ownerOf(db, teamId, name);
    if (owner === teamId) return;
    if (owner === undefined) throw new WrennError("template_not_found", { template: name });
  }
  throw new WrennError("template_protected", { template: name });
}
