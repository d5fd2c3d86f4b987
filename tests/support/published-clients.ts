import { join } from "node:path";
import { installTools } from "./install-tools.ts";
import { projectRoot } from "./sources.ts";

const FOLDER = join(projectRoot, "tests/clients");

/** Published programs that use the API of E2B, by absolute path. Each is a script for this Node. */
export interface PublishedClients {
  /** E2B's command line. */
  readonly cli: string;
  /** Uses `@computesdk/e2b` as its README shows. */
  readonly computesdk: string;
  /** Uses the sandbox client of `@openai/agents-extensions`. */
  readonly openaiAgents: string;
}

let installed: Promise<PublishedClients> | undefined;

/**
 * Clients of E2B that only tests use, about 135 MB. They are installed at the first use, as tests/clients/package-lock.json says.
 *
 * @throws WrennError `dependency_missing` without npm, `command_failed` when npm fails.
 */
export async function installPublishedClients(): Promise<PublishedClients> {
  installed ??= install();
  return await installed;
}

async function install(): Promise<PublishedClients> {
  await installTools(FOLDER);
  return {
    cli: join(FOLDER, "node_modules/@e2b/cli/dist/index.js"),
    computesdk: join(FOLDER, "programs/computesdk.mjs"),
    openaiAgents: join(FOLDER, "programs/openai-agents.mjs"),
  };
}
