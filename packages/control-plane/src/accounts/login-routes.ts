import { defined, randomHex, WrennError } from "@wrenn/core";
import type { Random, Clock } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { tryEmailAddress, emailAddress } from "./email-address.ts";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";
import {
  authJson,
  AuthResponse,
  Email,
  GivenPassword,
  OneTimeToken,
  Password,
  PersonName,
} from "./account-json.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import type { Accounts } from "./accounts.ts";
import { clientDetails } from "./client-details.ts";
import type { FirstAdmin } from "./first-admin.ts";
import type { SignUps } from "./sign-ups.ts";
import type { WorkAfterAnswer } from "../http/work-after-answer.ts";
import type { TokenCookie } from "../http/token-cookie.ts";

const MINUTE = 60_000;
const BROWSER_SECRET_BYTES = 32;
/** From one address of the network: a household or an office. */
const perAddress: RateLimit = { burst: 20, everyMs: 3000 };
/** Each page that is loaded renews its token; what could be guessed here has 256 bits. */
const perRenewal: RateLimit = { burst: 120, everyMs: 500 };
/** Guesses at the password of one account from one network: no one else can use them up. */
const perLogin: RateLimit = { burst: 10, everyMs: MINUTE / 2 };
/** Guesses from all networks that are answered without delay. */
const perAccount: RateLimit = { burst: 50, everyMs: MINUTE / 10 };
/** The delay of further ones; the account's own user waits as long and gets in. */
const CROWD_DELAY_MS = 2000;
/** Mails to one account. */
const perMail: RateLimit = { burst: 3, everyMs: 5 * MINUTE };

export interface LoginRoutesDeps {
  readonly accounts: Accounts;
  readonly firstAdmin: FirstAdmin;
  readonly sessions: Sessions;
  readonly limiter: RateLimiter;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
  readonly signUps: SignUps;
  /** Says which browser signed up. */
  readonly signUpCookie: TokenCookie;
  readonly afterAnswer: WorkAfterAnswer;
  readonly random: Random;
  readonly clock: Clock;
}

/** Routes that need no credentials because they give them (docs/reference/rest-api.md#accounts). */
export function registerLogin(app: App, deps: LoginRoutesDeps): void {
  const { accounts, afterAnswer, firstAdmin, sessions, limiter, random, refreshCookie, clock } = deps;
  const { signUps, signUpCookie } = deps;
  const limit = (request: FastifyRequest): void => limiter.takeForClient("address", request.ip, perAddress);
  /** Guesses that come from many networks wait instead of being refused, so that no one can lock another person out. */
  const slowDown = async (email: string): Promise<void> => {
    if (!limiter.tryTake(`account ${email}`, perAccount)) await clock.sleep(CROWD_DELAY_MS);
  };
  const opened = (reply: FastifyReply, session: OpenedSession): Static<typeof AuthResponse> => {
    refreshCookie.set(reply, session.refreshToken);
    return authJson(session);
  };
  const tags = ["accounts"];

  app.post(
    "/v1/auth/signup",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Sign up",
        description:
          "The answer is the same whether or not an address has an account; the mail says what to do. 403 where sign-up is closed, or by invitation and the address has none.",
        tags,
        body: Type.Object({ email: Email, password: Password, name: PersonName }),
        response: { 201: Type.Object({ message: Type.String() }), ...refusals },
      },
    },
    async (request, reply) => {
      const { password, name } = request.body;
      const email = emailAddress(request.body.email);
      await signUps.requireAdmission(email);
      limiter.take(`mail ${email}`, perMail);
      const secret = randomHex(random, BROWSER_SECRET_BYTES);
      signUpCookie.set(reply, secret);
      afterAnswer.begin(
        reply,
        "sign-up",
        async () =>
          await signUps.signUp({ email, password, name: name.trim() }, secret, clientDetails(request)),
      );
      return await reply.status(201).send({ message: "account created; check your email to activate it" });
    },
  );

  app.post(
    "/v1/auth/bootstrap",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Create the first administrator by the token that the operator has, and log in",
        tags,
        body: Type.Object({ token: OneTimeToken, email: Email, password: Password, name: PersonName }),
        response: { 201: AuthResponse, ...refusals },
      },
    },
    async (request, reply) => {
      const { token, password, name } = request.body;
      const email = emailAddress(request.body.email);
      await firstAdmin.create(token, { email, password, name: name.trim() });
      const session = await accounts.logIn({ email, password }, clientDetails(request));
      return await reply.status(201).send(opened(reply, session));
    },
  );

  app.post(
    "/v1/auth/bootstrap/renew",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Replace the token that creates the first administrator by a fresh one",
        description:
          "The fresh one is in the operator's file, and not in the answer. The old one may have expired.",
        tags,
        body: Type.Object({ token: OneTimeToken }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await firstAdmin.renew(request.body.token);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/auth/activate",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Activate an account by its mailed token, and log in",
        description:
          "Outside of the browser that signed up, `password` is required and becomes the password of the account.",
        tags,
        body: Type.Object({ token: OneTimeToken, password: Type.Optional(Password) }),
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request, reply) => {
      const { token, password } = request.body;
      const browserSecret = signUpCookie.isHostBound ? signUpCookie.read(request.headers.cookie) : undefined;
      const session = await signUps.activate(
        token,
        defined({ password, browserSecret }),
        clientDetails(request),
      );
      return opened(reply, session);
    },
  );

  app.post(
    "/v1/auth/login",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Log in",
        description: "Sets the cookie that POST /v1/auth/refresh renews the token by.",
        tags,
        body: Type.Object({ email: Email, password: GivenPassword }),
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request, reply) => {
      const email = emailAddress(request.body.email);
      limiter.takeForClient(`login ${email}`, request.ip, perLogin);
      await slowDown(email);
      return opened(
        reply,
        await accounts.logIn({ email, password: request.body.password }, clientDetails(request)),
      );
    },
  );

  app.post(
    "/v1/auth/refresh",
    {
      onRequest: async (request) => limiter.takeForClient("refresh", request.ip, perRenewal),
      schema: {
        summary: "Renew the token by the cookie",
        description:
          "The cookie is replaced. An old one that comes back later ends the session: somebody else has it too.",
        tags,
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request, reply) => {
      const token = refreshCookie.readAndClean(request, reply);
      if (token === undefined) throw new WrennError("refresh_token_invalid", {});
      return opened(reply, await sessions.refresh(token, clientDetails(request)));
    },
  );

  app.post(
    "/v1/me/password/reset",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Ask for a mail that resets a password",
        description: "Always 204.",
        tags,
        body: Type.Object({ email: Type.String({ maxLength: 254 }) }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const email = tryEmailAddress(request.body.email);
      if (email !== undefined) {
        limiter.take(`mail ${email}`, perMail);
        afterAnswer.begin(
          reply,
          "password reset",
          async () => await accounts.requestReset(email, clientDetails(request)),
        );
      }
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/me/password/reset/confirm",
    {
      onRequest: async (request) => limit(request),
      schema: {
        summary: "Set a password by a mailed token; ends all sessions",
        tags,
        body: Type.Object({ token: OneTimeToken, new_password: Password }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await accounts.confirmReset(request.body.token, request.body.new_password, clientDetails(request));
      return await reply.status(204).send(null);
    },
  );
}
