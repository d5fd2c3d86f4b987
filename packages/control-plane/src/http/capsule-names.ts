import { teamOf } from "./app.ts";
import type { App } from "./app.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
/** How ids begin; no name does. */
const ID_PREFIX = /^cl-/i;

/**
 * The public id of a capsule of a team, by its id or its name.
 *
 * @throws WrennError `capsule_not_found`, `invalid_id`.
 */
export type ResolveCapsule = (teamId: string, idOrName: string) => Promise<string>;

/** Whether a text can be the name of a capsule: what begins as an id does is not. */
export function isCapsuleName(text: string): boolean {
  return NAME.test(text) && !ID_PREFIX.test(text);
}

/**
 * Puts the id of a capsule in the place of its name in the paths of a group's requests, so that everything that follows, budgets and
 * the audit log among it, knows the capsule by its id.
 *
 * @param base - path of the capsules: names are looked up in the group that has authorised the caller for these.
 */
export function resolveNames(group: App, base: string, resolve: ResolveCapsule): void {
  const ofCapsule = `${base}/:id`;
  group.addHook("onRequest", async (request) => {
    const { url = "" } = request.routeOptions;
    const { params } = request;
    if (url !== ofCapsule && !url.startsWith(`${ofCapsule}/`)) return;
    if (hasId(params) && isCapsuleName(params.id)) params.id = await resolve(teamOf(request), params.id);
  });
}

function hasId(params: unknown): params is { id: string } {
  return typeof params === "object" && params !== null && "id" in params && typeof params.id === "string";
}
