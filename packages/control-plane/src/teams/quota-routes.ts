import { formatId } from "@wrenn/core";
import { quotaQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { Type } from "typebox";
import { MAX_KEYS } from "../accounts/api-keys.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";

const MIB = 2 ** 20;
const ASK = "or ask an administrator of the platform for a higher limit";

/** What there are limits for, what counts, and what helps at the limit. */
const quotas = {
  capsules: {
    counts: "Capsules that have not ended, paused ones included",
    remedy: `Destroy capsules that are not used, ${ASK}.`,
  },
  vcpus: {
    counts: "Virtual CPUs of capsules that are not paused",
    remedy: `Pause or destroy capsules, ${ASK}.`,
  },
  memory_mb: {
    counts: "Memory of capsules that are not paused, in MiB",
    remedy: `Pause or destroy capsules, ${ASK}.`,
  },
  disk_mb: {
    counts: "What capsules, checkpoints and templates occupy on hosts, in MiB, with operations under way",
    remedy: `Delete checkpoints, templates or capsules, ${ASK}.`,
  },
  snapshots: {
    counts: "Templates of the team, with those that are being made",
    remedy: `Delete templates that are not used, overwrite one, ${ASK}.`,
  },
  checkpoints: {
    counts: "Checkpoints of all capsules, with those that are being made",
    remedy: `Delete checkpoints, ${ASK}.`,
  },
  capsule_checkpoints: {
    counts: "Checkpoints of one capsule: `used` is of the capsule that has most",
    remedy: `Delete checkpoints of that capsule, ${ASK}.`,
  },
  builds: {
    counts: "Builds of templates that have not ended",
    remedy: `Wait for builds to end, cancel some, ${ASK}.`,
  },
  channels: { counts: "Notification channels", remedy: `Delete channels that are not used, ${ASK}.` },
  api_keys: { counts: "API keys", remedy: "Revoke keys that are not used." },
} as const;

const Quota = Type.Object({
  used: Type.Integer({
    description: "Can be more than `limit`: guests that run may write, and limits may fall",
  }),
  limit: Type.Integer(),
  remedy: Type.String({ description: "What helps at the limit" }),
});
const QuotaAnswer = Type.Object({
  team_id: Type.String(),
  ...quotaSchemas(),
});

function quotaSchemas() {
  const of = ({ counts }: { readonly counts: string }) =>
    Type.Object(Quota.properties, { description: counts });
  return {
    capsules: of(quotas.capsules),
    vcpus: of(quotas.vcpus),
    memory_mb: of(quotas.memory_mb),
    disk_mb: of(quotas.disk_mb),
    snapshots: of(quotas.snapshots),
    checkpoints: of(quotas.checkpoints),
    capsule_checkpoints: of(quotas.capsule_checkpoints),
    builds: of(quotas.builds),
    channels: of(quotas.channels),
    api_keys: of(quotas.api_keys),
  };
}

export interface QuotaRoutesDeps {
  readonly database: Database;
}

/** What a team may use, and uses (docs/operations/limits.md#how-much-a-team-may-have). */
export function registerQuota(app: App, { database }: QuotaRoutesDeps): void {
  app.get(
    "/v1/quota",
    {
      schema: {
        summary: "What the team may use, and uses",
        description:
          "The numbers that creates, checkpoints, forks and templates are checked against. At a limit they are refused with `quota_exceeded` or `limit_reached`; `remedy` says what helps.",
        tags: ["teams"],
        response: { 200: QuotaAnswer, ...refusals },
      },
    },
    async (request) => {
      const teamId = teamOf(request);
      const [use, things] = await Promise.all([
        quotaQueries.readTeamUse(database.db, teamId),
        quotaQueries.countThings(database.db, teamId),
      ]);
      const { limits } = use;
      const of = (name: keyof typeof quotas, used: number, limit: number) => ({
        used,
        limit,
        remedy: quotas[name].remedy,
      });
      return {
        team_id: formatId("team", teamId),
        capsules: of("capsules", use.capsules, limits.capsules),
        vcpus: of("vcpus", use.vcpus, limits.vcpus),
        memory_mb: of("memory_mb", use.memoryMib, limits.memoryMib),
        disk_mb: of("disk_mb", Math.ceil(use.storageBytes / MIB), Math.floor(limits.storageBytes / MIB)),
        snapshots: of("snapshots", use.templates, limits.templates),
        checkpoints: of("checkpoints", use.checkpoints, limits.checkpoints),
        capsule_checkpoints: of("capsule_checkpoints", things.capsuleCheckpoints, limits.capsuleCheckpoints),
        builds: of("builds", things.builds, things.maxBuilds),
        channels: of("channels", things.channels, things.maxChannels),
        api_keys: of("api_keys", things.apiKeys, MAX_KEYS),
      };
    },
  );
}
