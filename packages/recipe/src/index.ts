export { parseRecipe } from "./parse-recipe.ts";
export { parseRecipeLines } from "./parse-lines.ts";
export { parseReadinessCheck } from "./parse-readiness-check.ts";
export type { ParsedRecipe, ParseOptions } from "./recipe.ts";
export type {
  InstructionBody,
  ReadinessCheck,
  RecipeCommand,
  RecipeInstruction,
  RunMount,
} from "./instructions/instruction.ts";
export { formatProblem, RecipeError } from "./syntax/problem.ts";
export type { RecipePosition, RecipeProblem, RecipeRange } from "./syntax/problem.ts";
export { planRecipe } from "./plan/plan-recipe.ts";
export type { PlanOptions } from "./plan/plan-recipe.ts";
export { emptyImageConfig, startCommandOf } from "./plan/image-config.ts";
export type { ImageCheck, ImageConfig } from "./plan/image-config.ts";
export type {
  CopyAction,
  RecipeSource,
  InlineFile,
  RecipePlan,
  RecipeStep,
  StepAction,
  StepProgram,
  StepState,
} from "./plan/recipe-step.ts";
export { sourcesOf } from "./plan/step-sources.ts";
export type { StepSources } from "./plan/step-sources.ts";
export { IgnoreRules } from "./ignore/ignore-rules.ts";
export { IgnorePatternError } from "./ignore/ignore-pattern.ts";
