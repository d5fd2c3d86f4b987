import type { SnapshotVerbOptions } from "../verbs/snapshot.ts";
import { count } from "../options/parse.ts";
import { defineImport } from "./builds.ts";
import { act, CAPSULE, choice, dataCommand, group } from "./define.ts";
import type { Program } from "./define.ts";

const SCOPES = ["usable", "team", "public"] as const;
type Scope = (typeof SCOPES)[number];

/** Commands that make, list and delete templates. */
export function defineTemplates(program: Program): void {
  const { root } = program;
  const template = group(root, "template", "what capsules start from");
  const ls = dataCommand(template, "ls", "list templates, newest first").addOption(
    choice(
      "--scope <which>",
      "usable: of the team and the platform; public: of every team",
      SCOPES,
      "usable",
    ),
  );
  act<[{ readonly scope: Scope }]>(program, ls, async (...all) =>
    (await import("../verbs/template.ts")).list(...all),
  );
  const inspect = dataCommand(
    template,
    "inspect",
    "show a template with its versions, and how they were built",
  ).argument("<template>", "name, or team/name of a public one");
  act<[string]>(program, inspect, async (context, name) =>
    (await import("../verbs/template-inspect.ts")).inspect(context, name),
  );
  defineImport(program, template);
  const tag = dataCommand(template, "tag", "give a tag to a version, or take it away")
    .argument("<template>", "name")
    .argument("<tag>", "word after the colon of name:tag")
    .option("--version <number>", "version that gets it", count)
    .option("--remove", "take the tag away");
  act<[string, string, { readonly version?: number; readonly remove?: boolean }]>(
    program,
    tag,
    async (...all) => (await import("../verbs/template.ts")).tag(...all),
  );
  for (const [name, description] of [
    ["publish", "let every team start capsules from a template, with its memory and files"],
    ["unpublish", "let no other team start capsules from a template; those that run stay"],
  ] as const) {
    const command = dataCommand(template, name, description).argument("<template>", "name");
    act<[string]>(program, command, async (context, reference) =>
      (await import("../verbs/template.ts")).publish(context, reference, name === "publish"),
    );
  }

  const snapshot = group(root, "snapshot", "templates made of capsules, with their memory");
  const own = dataCommand(snapshot, "ls", "list templates of the team, newest first");
  act<[object]>(program, own, async (context) =>
    (await import("../verbs/template.ts")).list(context, { scope: "team" }),
  );
  const create = dataCommand(snapshot, "create", "make a template of a capsule, which is paused for it")
    .argument("<capsule>", CAPSULE)
    .argument("[name]", "name or name:tag (default: one that the server chooses)")
    .option("--overwrite", "replace a template or tag of this name");
  act<[string, string | undefined, SnapshotVerbOptions]>(program, create, async (...all) =>
    (await import("../verbs/snapshot.ts")).create(...all),
  );
  for (const parent of [template, snapshot]) {
    const rm = dataCommand(parent, "rm", "delete templates that no capsule uses")
      .argument("<template...>", "name")
      .option("--version <number>", "only this version of it", count);
    act<[readonly string[], { readonly version?: number }]>(program, rm, async (...all) =>
      (await import("../verbs/template.ts")).remove(...all),
    );
  }
}
