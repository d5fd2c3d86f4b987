import { DAY_MS, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import {
  adminTeamQueries,
  eventQueries,
  invitationQueries,
  sessionQueries,
  userQueries,
} from "@wrenn/database";
import type { Database, InvitationRow, LiveSession, QueuedTransactions, Trx } from "@wrenn/database";
import type { Mailer } from "../mail/mailer.ts";
import { plainPerson } from "../mail/plain-words.ts";
import { actorOf } from "../http/current-identity.ts";
import { requireRole } from "../http/identity.ts";
import type { AuditLog } from "../audit/audit.ts";

const INVITATION_MS = 7 * DAY_MS;
const MAX_OPEN = 200;
/** Of all teams to one address. */
const MAX_TO_ONE = 50;

export interface InvitationsDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly mailer: Mailer;
  readonly audit: AuditLog;
  readonly publicUrl: string;
}

/** Ways into a team: nobody becomes a member without agreeing, and inviting does not tell who has an account. */
export class InvitationsService {
  readonly #deps: InvitationsDeps;

  constructor(deps: InvitationsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `role_missing`, `limit_reached`, `invitations_of_address_full`, `token_invalid`. */
  async invite(session: LiveSession, email: string, role: "admin" | "member"): Promise<void> {
    const { transactions, mailer, random, audit, clock, publicUrl } = this.#deps;
    const identity = { teamId: session.teamId, session };
    requireRole(identity, "admin");
    const expiresAt = new Date(clock.now() + INVITATION_MS);
    const id = random.uuid();
    await transactions.run("team", session.teamId, async (trx) => {
      // Several invitations at once count each other. The team comes first in all that locks it and a session.
      await adminTeamQueries.lockTeamLimits(trx, session.teamId);
      // The role may have ended since the request was admitted.
      const live = await sessionQueries.lockSession(trx, session.id, session.teamId, this.#now());
      if (!live) throw new WrennError("token_invalid", {});
      requireRole({ teamId: live.teamId, session: live }, "admin");
      const ofTeam = await invitationQueries.listInvitations(trx, { teamId: session.teamId }, this.#now());
      const isRepeated = ofTeam.some((one) => one.email === email);
      if (ofTeam.length >= MAX_OPEN && !isRepeated)
        throw new WrennError("limit_reached", { limit: MAX_OPEN, things: "invitations" });
      const ofPerson = await invitationQueries.listInvitations(trx, { email }, this.#now());
      if (ofPerson.length >= MAX_TO_ONE && !isRepeated)
        throw new WrennError("invitations_of_address_full", { limit: MAX_TO_ONE });
      await invitationQueries.putInvitation(trx, {
        id,
        teamId: session.teamId,
        email,
        role,
        invitedBy: session.userId,
        expiresAt,
      });
      await audit.write(trx, identity, {
        resource: "member",
        action: "invite",
        scope: "admin",
        metadata: { email, role },
      });
      await mailer.send(trx, {
        kind: "invitation",
        to: email,
        subject: "You are invited to a team",
        text: `${plainPerson(session)} invites you. Log in with this address within a week to accept or decline.`,
        link: `${publicUrl}/invitations`,
        expiresAt,
      });
      await emit(trx, session, "invitation.opened", { teamId: session.teamId, id, role });
    });
  }

  async listForTeam(session: LiveSession): Promise<readonly InvitationRow[]> {
    requireRole({ teamId: session.teamId, session }, "admin");
    return await invitationQueries.listInvitations(
      this.#deps.database.db,
      { teamId: session.teamId },
      this.#now(),
    );
  }

  async listForPerson({ email }: LiveSession): Promise<readonly InvitationRow[]> {
    return await invitationQueries.listInvitations(this.#deps.database.db, { email }, this.#now());
  }

  /** @throws WrennError `invitation_not_found`. */
  async withdraw(session: LiveSession, id: string): Promise<void> {
    requireRole({ teamId: session.teamId, session }, "admin");
    const { teamId } = session;
    await this.#deps.database.db.transaction().execute(async (trx) => {
      const role = await invitationQueries.deleteInvitation(trx, teamId, id);
      if (!role) throw new WrennError("invitation_not_found", {});
      await emit(trx, session, "invitation.closed", { teamId, id, role });
    });
  }

  /** @throws WrennError `invitation_not_found`. */
  async accept(session: LiveSession, id: string): Promise<void> {
    const { database, audit } = this.#deps;
    await database.db.transaction().execute(async (trx) => {
      const taken = await invitationQueries.takeInvitation(trx, id, session.email, this.#now());
      if (!taken) throw new WrennError("invitation_not_found", {});
      const { teamId, role } = taken;
      const joined = await userQueries.insertMembership(trx, {
        userId: session.userId,
        teamId,
        role,
        isDefault: false,
      });
      if (joined)
        await audit.write(
          trx,
          { teamId, session },
          { resource: "member", action: "join", scope: "admin", metadata: { role } },
        );
      await emit(trx, session, "invitation.closed", { teamId, id, role });
    });
  }

  /** @throws WrennError `invitation_not_found`. */
  async decline(session: LiveSession, id: string): Promise<void> {
    await this.#deps.database.db.transaction().execute(async (trx) => {
      const taken = await invitationQueries.takeInvitation(trx, id, session.email, this.#now());
      if (!taken) throw new WrennError("invitation_not_found", {});
      await emit(trx, session, "invitation.closed", { ...taken, id });
    });
  }

  #now(): Date {
    return new Date(this.#deps.clock.now());
  }
}

/** Owners and admins see the open invitations of their team; it comes last, as it holds the lock of all events. */
async function emit(
  trx: Trx,
  session: LiveSession,
  kind: "invitation.opened" | "invitation.closed",
  { teamId, id, role }: { readonly teamId: string; readonly id: string; readonly role: string },
): Promise<void> {
  await eventQueries.emitEvent(trx, {
    teamId,
    kind,
    actor: actorOf({ teamId, session }),
    resource: "invitation",
    resourceId: id,
    data: { role },
  });
}
