import type { LoginOptions } from "../verbs/login.ts";
import type { DashboardOpenOptions } from "../verbs/open.ts";
import { act, dataCommand, group, serverCommand } from "./define.ts";
import type { Program } from "./define.ts";

/** Commands that log in and out. */
export function defineAccounts(program: Program): void {
  const { root } = program;
  const login = serverCommand(root, "login", "log in to a server; the code can be approved on any machine")
    .option("--url <url>", "address of the server (default: that of the profile)")
    .option("--key", "store an API key, read from standard input, instead")
    .option("--web", "open the page in a browser");
  act<[LoginOptions]>(program, login, async (...all) => (await import("../verbs/login.ts")).login(...all));

  const logout = serverCommand(root, "logout", "end the login of a profile and forget its credentials");
  act<[{ readonly profile?: string }]>(program, logout, async (context, { profile }) =>
    (await import("../verbs/logout.ts")).logout(context, profile),
  );

  const whoami = dataCommand(root, "whoami", "show the server, the credentials and where they come from");
  act<[object]>(program, whoami, async (context) => (await import("../verbs/whoami.ts")).whoami(context));

  const open = dataCommand(root, "open", "open the dashboard, logged in where this command line is").option(
    "--print",
    "only print its address",
  );
  act<[DashboardOpenOptions]>(program, open, async (...all) =>
    (await import("../verbs/open.ts")).open(...all),
  );

  const config = group(root, "config", "stored profiles: servers and what opens them");
  const ls = config.command("ls").description("list profiles").option("--json", "print one JSON document");
  act<[object]>(program, ls, async (context) => (await import("../verbs/config.ts")).list(context));
  const use = config
    .command("use")
    .description("use this profile when none is named")
    .argument("<profile>", "name");
  act<[string]>(program, use, async (context, name) =>
    (await import("../verbs/config.ts")).use(context, name),
  );
  const set = serverCommand(config, "set", "change a setting of a profile")
    .argument("<setting>", "detach_keys: keys that leave a terminal, such as ctrl-],d, or none")
    .argument("[value]", "without it, the default again");
  act<[string, string | undefined]>(program, set, async (context, setting, value) =>
    (await import("../verbs/config.ts")).set(context, setting, value),
  );
  const rm = config
    .command("rm")
    .description("log out of profiles and forget them")
    .argument("<profile...>", "names");
  act<[readonly string[]]>(program, rm, async (context, names) =>
    (await import("../verbs/config.ts")).remove(context, names),
  );
}
