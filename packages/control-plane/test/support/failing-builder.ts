import { StepFailed } from "../../src/builds/template-builder.ts";
import type { TemplateBuilder } from "../../src/builds/template-builder.ts";

/** A builder of which each first step fails: fake hosts have no machines to build in. */
export const failingBuilder: TemplateBuilder = {
  build: async ({ steps: [first] }) => {
    if (!first) throw new Error("a build has no steps");
    throw new StepFailed(first, "nothing is built here");
  },
};
