import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import type { AccountRoutes } from "../wire/generated/account-types.ts";

type AnswerOf<Route extends keyof AccountRoutes> = AccountRoutes[Route] extends {
  readonly answers: infer Answers;
}
  ? Answers[keyof Answers]
  : undefined;

interface AccountRequest<Route extends keyof AccountRoutes> {
  /** Values of the path, such as `{id}`. */
  readonly path?: Readonly<Record<string, string>>;
  readonly body?: AccountRoutes[Route] extends { readonly body?: infer Body } ? Body : never;
  readonly query?: Readonly<Record<string, string | boolean>>;
}

/**
 * A request about teams, API keys or hosts, which acts for a person.
 *
 * @throws ClientError `login_required` under an API key; WrennError of the server.
 */
export async function accountCall<Route extends keyof AccountRoutes>(
  context: Context,
  route: Route,
  { path = {}, body, query }: AccountRequest<Route> = {},
): Promise<AnswerOf<Route>> {
  await requireLogin(context);
  const wrenn = await context.wrenn();
  const [method = "", template = ""] = route.split(" ");
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
  return await wrenn.request<AnswerOf<Route>>(method, filled, { body, query, signal: context.signal });
}

/** Refuses what an API key cannot do before the server does, which does not know where the key comes from. */
async function requireLogin(context: Context): Promise<void> {
  const { credentials, source, url } = await context.connection();
  if ("login" in credentials) return;
  throw new ClientError(
    "credentials",
    "login_required",
    `this acts for a person, and the credentials are an API key (from ${source})`,
    source.includes("WRENN_API_KEY")
      ? `Unset WRENN_API_KEY and run \`wrenn login --url ${url}\`.`
      : `Run \`wrenn login --url ${url} --profile NAME\`, and name that profile.`,
  );
}
