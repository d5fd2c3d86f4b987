import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { HostAgent } from "@wrenn/protocol";
import type { Clock, Logger } from "@wrenn/core";
import type { ApiKeyAuth, Identity } from "../auth/api-key-auth.ts";
import type { CapsulesService } from "../services/capsules.ts";
import type { PortsService } from "../services/ports.ts";
import type { TemplatesService } from "../services/templates.ts";

/** Fastify with our schema types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** How ports of capsules are reached from outside. */
export interface PortAddresses {
  portUrl(capsuleId: string, port: number): string;
  /** A link that works for whoever has it, until `expiresAt` (ms since the epoch). */
  portLink(capsuleId: string, port: number, expiresAt: number): string;
}

/** What routes work with. */
export interface RouteServices {
  readonly capsules: CapsulesService;
  readonly templates: TemplatesService;
  readonly ports: PortsService;
  readonly edge: PortAddresses;
  readonly hostAgent: HostAgent;
  readonly auth: ApiKeyAuth;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set by the authenticated part of the API before any of its routes runs. */
    identity: Identity | undefined;
  }
}

/** Team that a request of the authenticated part acts for. */
export function teamOf(request: { readonly identity: Identity | undefined }): string {
  if (!request.identity) throw new Error("a route outside the authenticated part asks for a team");
  return request.identity.teamId;
}
