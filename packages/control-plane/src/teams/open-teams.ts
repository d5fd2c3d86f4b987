import type { Random } from "@wrenn/core";
import type { QueuedTransactions } from "@wrenn/database";
import { AdminTeams } from "./admin-teams.ts";
import { DeletionService } from "./deletion.ts";
import type { DeletionDeps } from "./deletion.ts";
import { InvitationsService } from "./invitations.ts";
import { TeamsService } from "./teams.ts";

const TEAMS_PER_OWNER = 20;

export interface TeamServices {
  readonly adminTeams: AdminTeams;
  readonly deletion: DeletionService;
  readonly invitations: InvitationsService;
  readonly teams: TeamsService;
}

export interface TeamServicesDeps extends DeletionDeps {
  readonly random: Random;
  readonly transactions: QueuedTransactions;
  /** Address of the dashboard, for links in mails. */
  readonly publicUrl: string;
  readonly teamsPerOwner?: number | undefined;
}

export function openTeams(deps: TeamServicesDeps): TeamServices {
  const { database, transactions, clock, random, mailer, sessions, apiKeyAuth, audit, publicUrl } = deps;
  return {
    adminTeams: new AdminTeams({ database, audit }),
    deletion: new DeletionService(deps),
    invitations: new InvitationsService({ database, transactions, clock, random, mailer, audit, publicUrl }),
    teams: new TeamsService({
      database,
      transactions,
      clock,
      random,
      sessions,
      apiKeyAuth,
      audit,
      teamsPerOwner: deps.teamsPerOwner ?? TEAMS_PER_OWNER,
    }),
  };
}
