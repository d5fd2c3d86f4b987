import type { Problem } from "#lib/api/problem.ts";

const AGAIN = "Please try again.";

/** Why a way through a provider failed, in the words of the server's own page (control-plane/src/sign-in/sign-in-result-page.ts). */
export const signInProblems: Readonly<Record<string, string>> = {
  access_denied: `The sign-in was cancelled at the provider. ${AGAIN}`,
  invalid_state: `The sign-in took longer than ten minutes, or was begun in another browser. ${AGAIN}`,
  missing_code: `The provider's answer was incomplete. ${AGAIN}`,
  exchange_failed: `The provider did not confirm the sign-in. ${AGAIN} If it stays so, ask whoever runs this server.`,
  provider_unavailable: "The provider cannot be reached. Please try again later.",
  account_deactivated: "Your account is disabled. Ask the administrator of this platform.",
  no_account: "There is no account for you yet.",
  email_taken:
    "There is an account with your email address already. Log in to it as before, and connect the provider in its settings.",
  email_unverified: "The provider has not verified an email address of yours. Verify one there first.",
  already_linked: "This account of the provider belongs to another account here.",
  sign_up_closed: "No new accounts are made on this server. Ask the administrator of this platform.",
  invitation_required:
    "New accounts need an invitation to a team. Ask a member of one to invite the email address that you have at the provider.",
  db_error: "The server failed. Please try again later.",
};

/** @param code - of the address, which anybody can have made up: nothing of an unknown one is shown. */
export function signInProblem(code: string): Problem {
  const known = Object.hasOwn(signInProblems, code);
  return {
    message: known ? (signInProblems[code] ?? AGAIN) : AGAIN,
    remedy: undefined,
    code: known ? code : "sign_in_failed",
    requestId: undefined,
    isPassing: false,
  };
}
