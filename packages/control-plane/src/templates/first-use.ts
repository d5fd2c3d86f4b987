import { WrennError } from "@wrenn/core";
import { DEFAULT_TAG } from "@wrenn/database";
import { builtOnDemand } from "./built-in-templates.ts";
import { PLATFORM_SLUG } from "./resolve-template.ts";
import { parseTemplateName } from "./template-name.ts";

/** How far the build of a template is that someone needs. */
export type FirstUseState =
  | { readonly kind: "running"; readonly progress: string }
  | { readonly kind: "failed"; readonly problem: string };

/** Builds built-in templates when they are first used. */
export interface FirstUseBuilds {
  /** Starts the build of a template, unless it runs or has just failed. Does not wait for it. */
  need(name: string): FirstUseState;
}

/**
 * What a create answers whose template was not found: for a built-in one that is not built yet, how it is built, or how far that is.
 *
 * @param builds - builds it now; undefined where the operator does that.
 */
export function orNotBuilt(error: unknown, reference: string, builds: FirstUseBuilds | undefined): unknown {
  if (!WrennError.is(error, "template_not_found")) return error;
  const { namespace, name, tag } = parseTemplateName(reference);
  const isMeant = namespace === undefined || namespace === PLATFORM_SLUG;
  if (!isMeant || tag !== DEFAULT_TAG || !builtOnDemand.has(name)) return error;
  const state = builds?.need(name);
  if (state === undefined) return new WrennError("template_not_built", { template: name });
  if (state.kind === "running")
    return new WrennError("template_being_built", { template: name, progress: state.progress });
  return new WrennError("template_build_failed", { template: name, problem: state.problem });
}
