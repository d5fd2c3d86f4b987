import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { invitationQueries, userQueries } from "@wrenn/database";
import type { Db } from "@wrenn/database";

/** Who may make an account: anyone, people with an invitation to a team, or no one. */
export type SignUpMode = "open" | "invite" | "closed";

/** Why someone may not make an account. */
export type SignUpRefusal = "sign_up_closed" | "invitation_required";

/** Decides who may make an account, in whatever way (docs/operations/sign-up.md). */
export class SignUpPolicy {
  readonly #clock: Clock;
  readonly #mode: SignUpMode | undefined;

  /** @param mode - by default `invite` once there is an administrator, who can invite; `open` before. */
  constructor(clock: Clock, mode: SignUpMode | undefined) {
    this.#clock = clock;
    this.#mode = mode;
  }

  /** Who may make an account now. */
  async mode(db: Db): Promise<SignUpMode> {
    return this.#mode ?? ((await userQueries.adminExists(db)) ? "invite" : "open");
  }

  /** Why the person with this address may not make an account now; undefined when they may. */
  async refusal(db: Db, email: string): Promise<SignUpRefusal | undefined> {
    const mode = await this.mode(db);
    if (mode === "open") return undefined;
    if (mode === "closed") return "sign_up_closed";
    const isInvited = await invitationQueries.isInvited(db, email, new Date(this.#clock.now()));
    return isInvited ? undefined : "invitation_required";
  }

  /** @throws WrennError `sign_up_closed`, `invitation_required`. */
  async requireAdmission(db: Db, email: string): Promise<void> {
    const refusal = await this.refusal(db, email);
    if (refusal !== undefined) throw new WrennError(refusal, {});
  }
}
