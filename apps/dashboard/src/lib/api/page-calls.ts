import type { Wrenn } from "@wrenn/sdk";
import type { PageRoutes, PageSchemas } from "./generated/page-types.ts";

/** An object of accounts and teams by its name in the server's description. */
export type PageObject<Name extends keyof PageSchemas> = PageSchemas[Name];

/** What a route answers. */
export type PageAnswer<Route extends keyof PageRoutes> = PageRoutes[Route] extends {
  readonly answers: infer Answers;
}
  ? Answers[keyof Answers]
  : never;
type Given<Route extends keyof PageRoutes> = Omit<PageRoutes[Route], "answers" | "query"> & {
  readonly query?: PageRoutes[Route] extends { readonly query?: infer Query } ? Query : never;
  readonly signal?: AbortSignal | undefined;
};

/**
 * A call of accounts and teams, for which the SDK has no methods.
 *
 * @param route - method and path as the description of the API has them; `given.path` fills its parameters.
 * @throws WrennError of the server; the reason of the signal.
 */
export async function callPage<Route extends keyof PageRoutes>(
  wrenn: Wrenn,
  route: Route,
  given: Given<Route>,
): Promise<PageAnswer<Route>> {
  const [method = "", template = ""] = route.split(" ");
  const {
    path = {},
    body,
    query,
    signal,
  } = given as {
    readonly path?: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly query?: Readonly<Record<string, string | number | undefined>>;
    readonly signal?: AbortSignal;
  };
  const filled = template.replaceAll(/\{(\w+)\}/g, (_match, name: string) =>
    encodeURIComponent(path[name] ?? ""),
  );
  return await wrenn.request<PageAnswer<Route>>(method, filled, {
    ...(body === undefined ? {} : { body }),
    ...(query === undefined ? {} : { query }),
    signal,
  });
}
