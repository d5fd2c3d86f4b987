import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { NewTemplateName, TemplateReference } from "../templates/template-name.ts";
import type { BuildRequest } from "./builds.ts";
import type { BuildRecipe } from "./recipe.ts";

/** The database takes neither zero bytes nor halves of characters. */
const TEXT = String.raw`^[^\u0000\p{Cs}]*$`;
export const DEFAULT_VCPUS = 1;
export const DEFAULT_MEMORY_MIB = 512;
/** Steps of a recipe have no higher numbers. */
const MAX_STEP = 1000;
const FILE = "recipe";

const Source = Type.Object({
  digest: Type.String({ pattern: "^[0-9a-f]{64}$", description: "Of names, bytes and modes of its files" }),
  single: Type.Optional(
    Type.Boolean({ description: "One file, and the target is its name unless it is a directory" }),
  ),
  archives: Type.Optional(
    Type.Array(
      // Nothing outside of the step's own directory.
      Type.String({ maxLength: 4096, pattern: String.raw`^(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\u0000\p{Cs}]+$` }),
      { maxItems: 1000, description: "Paths of archives that ADD unpacks" },
    ),
  ),
});

/** What `POST /v1/builds` takes. */
export const BuildBody = Type.Object(
  {
    name: NewTemplateName,
    base_template: Type.Optional(TemplateReference),
    recipe: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 8192, pattern: TEXT }), {
        minItems: 1,
        maxItems: 200,
        description: "One instruction each: RUN, START, ENV, WORKDIR, USER, COPY. Either this or recipe_text",
      }),
    ),
    recipe_text: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1 << 20, pattern: TEXT, description: "The text of a recipe" }),
    ),
    recipe_file: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, pattern: TEXT, description: "Its name in messages" }),
    ),
    args: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]{0,255}$" }),
        Type.String({ maxLength: 131_072, pattern: TEXT }),
        { maxProperties: 200, description: "Values for ARG" },
      ),
    ),
    sources: Type.Optional(
      Type.Record(Type.String({ pattern: "^[1-9][0-9]{0,3}$" }), Source, {
        maxProperties: MAX_STEP,
        description:
          "Of a text: what each step copies, by its number. The archive has a directory of that name for it",
      }),
    ),
    secrets: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z0-9_.-]{1,128}$" }),
        Type.String({ maxLength: 65_536, pattern: TEXT }),
        { maxProperties: 32, description: "Values for RUN --mount=type=secret, by their ids" },
      ),
    ),
    registry_login: Type.Optional(
      Type.Object(
        {
          username: Type.String({ minLength: 1, maxLength: 1024, pattern: TEXT }),
          password: Type.String({ minLength: 1, maxLength: 65_536, pattern: TEXT }),
        },
        { description: "For the registry of the image that FROM names, before what the host has for it" },
      ),
    ),
    no_cache: Type.Optional(Type.Boolean({ description: "Performs every step" })),
    from_step: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_STEP, description: "Performs this step and those behind it" }),
    ),
    healthcheck: Type.Optional(
      Type.String({
        maxLength: 4096,
        pattern: TEXT,
        description:
          "Command that exits with 0 when the template is ready, with flags before it: --interval, --timeout, --start-period, --retries, --deadline",
      }),
    ),
    vcpus: Type.Optional(Type.Integer({ maximum: 64, description: "0 or less: 1" })),
    memory_mb: Type.Optional(Type.Integer({ minimum: 128, maximum: 65_536, description: "0 or less: 512" })),
    skip_pre_post: Type.Optional(
      Type.Boolean({
        description:
          "Without the steps before and after the recipe; the recipe runs as root. A text has none",
      }),
    ),
  },
  {
    examples: [{ name: "tools:v2", recipe: ["RUN apt-get install -y ripgrep"] }],
  },
);

/** @throws WrennError `invalid_field` for fields that do not go together. */
export function requestOf(body: Static<typeof BuildBody>): BuildRequest {
  const { sources } = body;
  return {
    name: body.name,
    baseTemplate: body.base_template,
    recipe: recipeOf(body),
    sources:
      body.recipe_text === undefined
        ? undefined
        : new Map(
            Object.entries(sources ?? {}).map(([step, { digest, single = false, archives = [] }]) => [
              Number(step),
              { digest, single, archives },
            ]),
          ),
    secrets: body.secrets ?? {},
    login: body.registry_login,
    imageArchive: undefined,
    repeatFrom: body.no_cache === true ? 1 : body.from_step,
    healthcheck: body.healthcheck ?? "",
    vcpus: body.vcpus ?? DEFAULT_VCPUS,
    memoryMib: body.memory_mb ?? DEFAULT_MEMORY_MIB,
  };
}

function recipeOf(body: Static<typeof BuildBody>): BuildRecipe {
  const { recipe, recipe_text: text, recipe_file: file = FILE, args = {} } = body;
  if (text !== undefined) {
    if (recipe !== undefined) throw onlyOne("recipe", "stands beside recipe_text");
    return { form: "text", text, file, args };
  }
  for (const field of ["recipe_file", "args", "sources", "secrets", "registry_login"] as const)
    if (body[field] !== undefined) throw onlyOne(field, "belongs to recipe_text");
  if (recipe === undefined) throw onlyOne("recipe", "is missing: a build has a recipe or a recipe_text");
  return { form: "lines", lines: recipe, skipPrePost: body.skip_pre_post ?? false };
}

function onlyOne(field: string, problem: string): WrennError {
  return new WrennError("invalid_field", { field, problem });
}
