import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { clientDetails } from "../accounts/client-details.ts";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { PersonPages } from "../http/person-pages.ts";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import { refusals } from "../http/schemas.ts";
import { loopbackAddress, MAX_LOOPBACK_ADDRESS } from "./loopback-address.ts";
import type { ProgramLogins } from "./program-logins.ts";
import { programOutcomePage, programPage, refusedProgramPage } from "./program-page.ts";

const tags = ["accounts"];
/** Programs that one person decides about. */
const perPerson: RateLimit = { burst: 20, everyMs: 10_000 };

const Next = Type.String({
  minLength: 1,
  maxLength: MAX_LOOPBACK_ADDRESS,
  description: "`http://localhost:{port}`, or the same by `127.0.0.1` or `[::1]`; with any path",
});
const RedirectAnswer = Type.Object({
  redirect_to: Type.String({ description: "Where the browser has to go" }),
});

export interface ProgramPageDeps {
  readonly pages: PersonPages;
}

/**
 * The page that E2B's command line opens in a browser, and to which it sends the browser back afterwards with `state`. It changes nothing:
 * the person decides by a request with an access token.
 */
export function registerProgramPage(app: App, { pages }: ProgramPageDeps): void {
  app.get("/docs/api/cli", { schema: { hide: true }, config: { isPage: true } }, async (request, reply) => {
    void reply.header("referrer-policy", "no-referrer");
    const state = parameterOf(request, "state");
    const next = parameterOf(request, "next") ?? "";
    if (state !== undefined)
      return await pages.send(reply, { simple: programOutcomePage(state === "success") });
    return loopbackAddress(next)
      ? await pages.send(reply, { simple: programPage })
      : await pages.send(reply, { simple: refusedProgramPage, status: 400, outcome: "address_refused" });
  });
}

export interface ProgramDecisionsDeps {
  readonly programs: ProgramLogins;
  readonly limiter: RateLimiter;
}

/** What the page asks for the person who is logged in (docs/reference/rest-api.md#logins-of-programs). */
export function registerProgramDecisions(app: App, { programs, limiter }: ProgramDecisionsDeps): void {
  app.post(
    "/v1/auth/program/approve",
    {
      schema: {
        summary: "Log a program in that listens on your machine",
        description:
          "Opens a login of yours and answers where the browser has to go with its tokens. 400 for an address of another machine.",
        tags,
        body: Type.Object({
          next: Next,
          version: Type.Optional(
            Type.String({ pattern: "^[0-9A-Za-z.+-]{1,32}$", description: "Of the program" }),
          ),
        }),
        response: { 200: RedirectAnswer, ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      limiter.take(`program ${session.userId}`, perPerson);
      const { next, version } = request.body;
      const url = await programs.approve(session, { next, version }, clientDetails(request));
      void reply.header("cache-control", "no-store");
      return { redirect_to: url.href };
    },
  );

  app.post(
    "/v1/auth/program/deny",
    {
      schema: {
        summary: "Refuse a program that listens on your machine",
        description: "Answers where the browser has to go so that the program ends its log-in.",
        tags,
        body: Type.Object({ next: Next }),
        response: { 200: RedirectAnswer, ...refusals },
      },
    },
    async (request) => {
      sessionOf(request);
      return { redirect_to: programs.deny(request.body.next).href };
    },
  );
}

/** A parameter of the page's address. @throws WrennError `invalid_field` for one that is given twice: readers could differ in which counts. */
function parameterOf({ query }: FastifyRequest, field: "state" | "next"): string | undefined {
  const value: unknown = typeof query === "object" && query !== null ? Reflect.get(query, field) : undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new WrennError("invalid_field", { field, problem: "must be given once" });
}
