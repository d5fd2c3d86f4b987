import type { NewHostOptions } from "../verbs/host.ts";
import type { NewKeyOptions } from "../verbs/key.ts";
import { duration, list } from "../options/parse.ts";
import { act, dataCommand, group } from "./define.ts";
import type { Program } from "./define.ts";

/** Commands about teams, API keys and hosts. They need a login: an API key is no person. */
export function defineManagement(program: Program): void {
  defineTeams(program);
  defineKeys(program);
  defineHosts(program);
}

function defineTeams(program: Program): void {
  const team = group(program.root, "team", "your teams, and the one that commands act in");
  const ls = dataCommand(team, "ls", "list your teams");
  act<[object]>(program, ls, async (context) => (await import("../verbs/team.ts")).list(context));
  const show = dataCommand(team, "show", "show a team").argument(
    "[team]",
    "id, slug or name (default: the one that commands act in)",
  );
  act<[string | undefined]>(program, show, async (context, reference) =>
    (await import("../verbs/team.ts")).show(context, reference),
  );
  const to = dataCommand(team, "switch", "let the stored login act in another team").argument(
    "<team>",
    "id, slug or name",
  );
  act<[string]>(program, to, async (context, reference) =>
    (await import("../verbs/team.ts")).switchTeam(context, reference),
  );
  const members = dataCommand(team, "members", "list the members of the team that commands act in");
  act<[object]>(program, members, async (context) => (await import("../verbs/team.ts")).members(context));
}

function defineKeys(program: Program): void {
  const key = group(program.root, "key", "API keys of the team");
  const ls = dataCommand(key, "ls", "list API keys, newest first; members see their own");
  act<[object]>(program, ls, async (context) => (await import("../verbs/key.ts")).list(context));
  const create = dataCommand(key, "create", "make an API key and print it, this once")
    .option("--name <name>", "what it is for")
    .option("--scope <scope>", "read, run, manage, ports, egress; repeatable (default: all)", list)
    .option("--expires <duration>", "it works this long, such as 30d (default: without end)", duration)
    .option("--e2b", "in the form that clients of E2B take");
  act<[NewKeyOptions]>(program, create, async (...all) => (await import("../verbs/key.ts")).create(...all));
  const rm = dataCommand(key, "rm", "revoke API keys").argument(
    "<key...>",
    "id, name, or first ten characters",
  );
  act<[readonly string[]]>(program, rm, async (context, references) =>
    (await import("../verbs/key.ts")).remove(context, references),
  );
}

function defineHosts(program: Program): void {
  const host = group(program.root, "host", "machines that run capsules");
  const ls = dataCommand(host, "ls", "list the hosts that you may see");
  act<[object]>(program, ls, async (context) => (await import("../verbs/host.ts")).list(context));
  const register = dataCommand(host, "register", "announce a host and print the token that it joins with")
    .option("--team <team>", "a host of this team alone (default: of the platform)")
    .option("--provider <name>", "who runs the machine")
    .option("--zone <name>", "where it is");
  act<[NewHostOptions]>(program, register, async (...all) =>
    (await import("../verbs/host.ts")).register(...all),
  );
  for (const [name, description] of [
    ["drain", "let hosts take no new capsules"],
    ["undrain", "let drained hosts take capsules again"],
  ] as const) {
    const command = dataCommand(host, name, description).argument(
      "<host...>",
      "id, beginning of an id, or address",
    );
    act<[readonly string[]]>(program, command, async (context, references) =>
      (await import("../verbs/host.ts")).drain(context, references, name === "drain"),
    );
  }
  const rm = dataCommand(host, "rm", "give up hosts")
    .argument("<host...>", "id, beginning of an id, or address")
    .option("-f, --force", "destroy the capsules and templates that are on them");
  act<[readonly string[], { readonly force?: boolean }]>(program, rm, async (...all) =>
    (await import("../verbs/host.ts")).remove(...all),
  );
}
