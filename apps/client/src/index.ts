import type { Command } from "commander";
import type { Setup, Terminal } from "./context.ts";
import { defineAccounts } from "./definitions/accounts.ts";
import { defineBuilds } from "./definitions/builds.ts";
import { defineCapsules } from "./definitions/capsules.ts";
import { defineRuns } from "./definitions/runs.ts";
import { definePorts } from "./definitions/ports.ts";
import { defineStreams } from "./definitions/streams.ts";
import { defineCompletion } from "./definitions/completion.ts";
import { defineManagement } from "./definitions/management.ts";
import { defineSettings } from "./definitions/settings.ts";
import { defineTemplates } from "./definitions/templates.ts";
import { defineCopy } from "./definitions/copy.ts";

export { browserAddress, isSameServer } from "./connection/addresses.ts";
export { parseWords } from "./errors/parse-words.ts";
export type { LocalServer } from "./connection/find-connection.ts";
export { ClientError } from "./errors/client-error.ts";
export { perform } from "./perform.ts";
export { buildDirectory, currentVersion } from "./verbs/build-directory.ts";
export type { BuildDirectoryOptions, BuiltDirectory } from "./verbs/build-directory.ts";
export type { Context, Setup, Terminal } from "./context.ts";

/** Adds the commands that talk to a server to a program. */
export function addClientCommands(root: Command, terminal: Terminal, setup: Setup): void {
  const program = { root, terminal, setup };
  defineAccounts(program);
  defineCapsules(program);
  defineRuns(program);
  definePorts(program);
  defineStreams(program);
  defineSettings(program);
  defineTemplates(program);
  defineBuilds(program);
  defineManagement(program);
  defineCopy(program);
  defineCompletion(program);
}
