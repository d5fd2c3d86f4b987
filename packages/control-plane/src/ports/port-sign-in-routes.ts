import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { noSuchPortPage, signInPage } from "../sign-in/sign-in-page.ts";
import type { PersonPages } from "../http/person-pages.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { PortAddresses, PortsService } from "./ports.ts";
import type { TokenCookie } from "../http/token-cookie.ts";

const PortSignIn = Type.Object({
  capsule: Type.String({ maxLength: 64 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  path: Type.String({ maxLength: 4096, pattern: "^/[!-~]*$" }),
  binding: Type.String({ pattern: "^[\\w-]{43}$" }),
  again: Type.Optional(
    Type.String({ maxLength: 1, description: "Set by the page: it renews the log-in only once by itself" }),
  ),
});

export interface PortSignInDeps {
  readonly sessions: Sessions;
  readonly ports: PortsService;
  readonly edge: PortAddresses;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
  readonly pages: PersonPages;
}

/** Where the edge sends a person's browser that asks for a private port: a login here opens it there. */
export function registerPortSignIn(
  app: App,
  { sessions, ports, edge, refreshCookie, pages }: PortSignInDeps,
): void {
  app.get(
    "/v1/ports/sign-in",
    {
      schema: {
        summary: "Open a private port in a browser by the login of the platform",
        description:
          "Browsers are sent here by private ports; 303 back to the port, or a page that asks to log in.",
        tags: ["ports"],
        querystring: PortSignIn,
        response: { 200: Type.String(), 303: Type.Null(), 404: Type.String(), ...refusals },
      },
    },
    async (request, reply) => {
      refuseScripts(request);
      const { capsule, port, path, binding } = request.query;
      const token = refreshCookie.read(request.headers.cookie);
      const login = token === undefined ? undefined : await sessions.peek(token);
      if (!login) return await pages.send(reply, { simple: signInPage });
      const admitted = await ports.admitsSession(capsule, login.id);
      if (!admitted)
        return await pages.send(reply, { simple: noSuchPortPage, status: 404, outcome: "no_such_port" });
      return await reply
        .headers({ "cache-control": "no-store", "referrer-policy": "no-referrer" })
        .redirect(edge.portEntrance(capsule, port, { sessionId: login.id, binding, path }), 303);
    },
  );
}

/** Only the address bar and links lead here: pages of capsules are of the same site, and get nothing by asking. */
function refuseScripts({ headers }: FastifyRequest): void {
  const mode = headers["sec-fetch-mode"] ?? "navigate";
  const destination = headers["sec-fetch-dest"] ?? "document";
  if (mode !== "navigate" || destination !== "document")
    throw new WrennError("invalid_field", { field: "Sec-Fetch-Dest", problem: "must be document" });
}
