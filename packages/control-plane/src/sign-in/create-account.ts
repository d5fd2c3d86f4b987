import type { Random } from "@wrenn/core";
import { identityQueries, userQueries } from "@wrenn/database";
import type { Database, UserRow } from "@wrenn/database";
import { insertPersonalTeam } from "../accounts/personal-team.ts";
import type { SignUpPolicy } from "../accounts/sign-up-policy.ts";
import type { IdentityProvider, ProviderProfile } from "./identity-provider.ts";
import type { SignInProblem } from "./sign-in-redirects.ts";

export interface CreateAccountDeps {
  readonly database: Database;
  readonly policy: SignUpPolicy;
  readonly random: Random;
}

/** Undoes the transaction that it leaves. */
class SignUpRefused extends Error {
  readonly problem: SignInProblem;

  constructor(problem: SignInProblem) {
    super(problem);
    this.problem = problem;
  }
}

/**
 * Adds an account for somebody whom a provider knows and we do not, with a team. Their address is theirs by the provider's word,
 * so accounts that wait for its proof go; an account that has proved it stays, and the newcomer is refused: whoever has it
 * connects the provider there.
 *
 * @returns the new account; of several attempts at once the account that the first one made.
 */
export async function createAccount(
  { database, policy, random }: CreateAccountDeps,
  provider: IdentityProvider,
  profile: ProviderProfile,
): Promise<{ readonly user: UserRow; readonly isNew: boolean } | SignInProblem> {
  const { verifiedEmail: email, name, subject } = profile;
  if (email === undefined) return "email_unverified";
  const key = { provider: provider.name, issuer: provider.issuer, subject };
  try {
    const user = await database.db.transaction().execute(async (trx) => {
      const refusal = await policy.refusal(trx, email);
      if (refusal !== undefined) throw new SignUpRefused(refusal);
      const added = await userQueries.insertProvenUser(trx, {
        id: random.uuid(),
        email,
        name,
        passwordHash: null,
      });
      if (!added) throw new SignUpRefused("email_taken");
      if (!(await identityQueries.insertIdentity(trx, { ...key, user_id: added.id, email })))
        throw new SignUpRefused("email_taken");
      await insertPersonalTeam(trx, random, added);
      return added;
    });
    return { user, isNew: true };
  } catch (error) {
    if (!(error instanceof SignUpRefused)) throw error;
    const owner = await identityQueries.findIdentityOwner(database.db, key);
    return owner ? { user: owner, isNew: false } : error.problem;
  }
}
