import { browserAddress } from "../connection/addresses.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { hasDesktop, openInBrowser } from "../terminal/open-in-browser.ts";

export interface DashboardOpenOptions {
  readonly print?: boolean;
}

/** An address of the dashboard. One that logs in, or creates an administrator, is as good as a password for its time. */
interface DashboardLink {
  readonly kind: "first_admin" | "login" | "plain";
  readonly url: string;
  /** What there is to know about it. */
  readonly hint: string;
}

/**
 * Prints the address of the dashboard, and opens it where there is a desktop. It creates the first administrator, while there is none and
 * this user may; it logs in where the command line is logged in as a person. Tokens are printed to a terminal only.
 */
export async function open(context: Context, { print = false }: DashboardOpenOptions): Promise<void> {
  const { env, stdout } = context.terminal;
  const { signal } = context;
  const { url } = await context.connection();
  const { features } = await (await context.wrenn()).info({ signal });
  if (!features.includes("dashboard"))
    throw new ClientError(
      "notFound",
      "no_dashboard",
      `the server at ${url} has no dashboard`,
      "On its machine, `./wrenn up` without --no-dashboard builds and serves it.",
    );
  const isTerminal = stdout.isTTY;
  const opens = !print && hasDesktop(env);
  const link = await dashboardLink(context, { isTerminal, opens });
  // Its token works for a day: nothing that other users of this machine can read gets it.
  const isOpened = opens && link.kind !== "first_admin" && (await openInBrowser(link.url, env));
  const shown = isTerminal || link.kind === "plain" ? link.url : `${browserAddress(url)}/`;
  context.output.data({ url: shown, kind: link.kind, opened: isOpened }, () => `${shown}\n`);
  if (!context.output.isJson) context.output.note(isOpened ? "Opened in the browser." : link.hint);
}

/** @param ways - whether a token can be shown, and whether a browser can get it. */
async function dashboardLink(
  context: Context,
  ways: { readonly isTerminal: boolean; readonly opens: boolean },
): Promise<DashboardLink> {
  const { setup, signal } = context;
  const { url, credentials } = await context.connection();
  const address = browserAddress(url);
  const token = ways.isTerminal ? await setup.renewFirstAdmin?.(url, signal) : undefined;
  if (token !== undefined)
    return {
      kind: "first_admin",
      url: `${address}/welcome#${token}`,
      hint: "Open it in a browser to create the first administrator. It works once, within a day; earlier links no longer do.",
    };
  if ("apiKey" in credentials)
    return {
      kind: "plain",
      url: `${address}/`,
      hint: `After \`wrenn login --url ${address}\`, this command logs the browser in.`,
    };
  if (!ways.isTerminal && !ways.opens)
    return { kind: "plain", url: `${address}/`, hint: "A link that logs in is printed to a terminal only." };
  const wrenn = await context.wrenn();
  const made = await wrenn.request<{ token: string }>("POST", "/v1/auth/browser-links", { signal });
  return {
    kind: "login",
    url: `${address}/login#link=${made.token}`,
    hint: "It logs a browser in as you, after a question. It works once, for a minute.",
  };
}
