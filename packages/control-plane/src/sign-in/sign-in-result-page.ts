import type { IdentityProvider } from "./identity-provider.ts";
import type { SignInProblem } from "./sign-in-redirects.ts";
import { pageOf, RETURN_TO_KEY } from "../http/page.ts";
import type { HtmlPage } from "../http/page.ts";

/** Comes back to the page that the person left, if it was one that asks to log in; other addresses are nobody's business here. */
const SCRIPT = `
const way = sessionStorage.getItem("${RETURN_TO_KEY}") ?? "";
sessionStorage.removeItem("${RETURN_TO_KEY}");
if (["/v1/ports/sign-in?", "/device?", "/docs/api/cli?"].some((page) => way.startsWith(page))) location.replace(way);
`;

const AGAIN = "Please try again.";

/** What people read when they were not logged in (docs/operations/sign-in.md has the same for operators). */
export const explanations: Readonly<Record<SignInProblem, string>> = {
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

/** What became of a log-in. */
export function resultPage({ name, title }: IdentityProvider, error: string | undefined): HtmlPage {
  if (error === undefined)
    return pageOf("You are signed in", "<p>You can go back to what you were doing.</p>", SCRIPT);
  const known = Object.hasOwn(explanations, error) ? (error as SignInProblem) : undefined;
  const text = known === undefined ? AGAIN : explanations[known];
  const path = `/auth/oauth/${encodeURIComponent(name)}?intent=`;
  const next =
    known === "no_account"
      ? `<a href="${path}signup">Sign up with ${escaped(title)}</a>`
      : `<a href="${path}login">Sign in with ${escaped(title)}</a>`;
  return pageOf("You are not signed in", `<p role="alert">${text}</p>${next}`);
}

/** Titles are host names and fixed words; a page takes nothing on trust. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
