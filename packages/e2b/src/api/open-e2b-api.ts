import type { OpenedApi, SharedServices } from "@wrenn/control-plane";
import type { Clock, Random } from "@wrenn/core";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import { registerLogs } from "../observe/log-routes.ts";
import { registerMetrics } from "../observe/metrics-routes.ts";
import { registerCreate } from "../sandboxes/create-routes.ts";
import { registerFork } from "../sandboxes/fork-routes.ts";
import { registerLists } from "../sandboxes/list-routes.ts";
import { OwnSandboxes } from "../sandboxes/own-sandboxes.ts";
import { SandboxJson } from "../sandboxes/sandbox-json.ts";
import { registerSandbox } from "../sandboxes/sandbox-routes.ts";
import { SandboxRuns } from "../sandboxes/sandbox-runs.ts";
import { registerSnapshots } from "../templates/snapshot-routes.ts";
import { registerBuilds } from "../templates/build-routes.ts";
import { registerTemplates } from "../templates/template-routes.ts";
import { UploadLinks } from "../templates/upload-links.ts";
import { registerUploadLinks, registerUploads } from "../templates/upload-routes.ts";
import { e2bAnswers } from "./e2b-answers.ts";
import { registerGaps } from "./gap-routes.ts";
import { registerKeys } from "./key-routes.ts";
import { registerOauth } from "./oauth-routes.ts";
import { registerTeam } from "./team-routes.ts";
import type { UnknownRoutes } from "./unknown-routes.ts";

export interface E2bApiDeps {
  readonly services: SharedServices;
  readonly tokens: SandboxTokens;
  /** Of the installation; signs links for uploads. */
  readonly key: Uint8Array;
  readonly unknown: UnknownRoutes;
  /** By which clients reach ports of sandboxes over TLS; undefined where they cannot. */
  readonly domain: () => string | undefined;
  /** For registries of images. */
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
}

/** Opens the control API: everything but what happens inside of sandboxes. */
export async function openE2bApi({
  services,
  tokens,
  key,
  unknown,
  domain,
  fetch,
  clock,
  random,
}: E2bApiDeps): Promise<OpenedApi> {
  const json = new SandboxJson(tokens, domain);
  const sandboxes = new OwnSandboxes(services);
  const links = new UploadLinks(key, clock);
  const runs = new SandboxRuns({ services, sandboxes, clock });
  return await services.openApi({
    answers: e2bAnswers(unknown),
    addPublicRoutes: async (group) => {
      await registerUploads(group, { services, links });
      await registerOauth(group, { services });
    },
    addRoutes: (group) => {
      registerTeam(group, { services });
      registerKeys(group, { services });
      registerLists(group, { services, json });
      registerCreate(group, { services, json });
      registerSandbox(group, { services, sandboxes, runs, json });
      registerFork(group, { services, sandboxes, json });
      registerSnapshots(group, { services, sandboxes, clock, random });
      registerTemplates(group, { services });
      registerBuilds(group, { services, fetch, clock, random });
      registerUploadLinks(group, { services, links });
      registerMetrics(group, { services, sandboxes, clock });
      registerLogs(group, { services, sandboxes });
      registerGaps(group);
    },
  });
}
