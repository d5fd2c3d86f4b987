import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { WrennError } from "@wrenn/core";
import type { LiveSession } from "@wrenn/database";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { Identity } from "./identity.ts";

/** Fastify with our schema types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    /** Set by the authenticated part of the API before any of its routes runs. */
    identity: Identity | undefined;
  }
}

/** Who a request of the authenticated part acts for. */
export function identityOf(request: { readonly identity: Identity | undefined }): Identity {
  if (!request.identity) throw new Error("a route outside the authenticated part asks for an identity");
  return request.identity;
}

/** Team that a request of the authenticated part acts for. */
export function teamOf(request: { readonly identity: Identity | undefined }): string {
  return identityOf(request).teamId;
}

/** The login that a request is of. @throws WrennError `session_required` for a key. */
export function sessionOf(request: { readonly identity: Identity | undefined }): LiveSession {
  const { session } = identityOf(request);
  if (!session) throw new WrennError("session_required", {});
  return session;
}
