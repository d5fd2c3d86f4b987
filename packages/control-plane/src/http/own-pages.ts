import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import type { CrossOrigins } from "./cross-origins.ts";

const READING = new Set(["GET", "HEAD", "OPTIONS"]);

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route neither reads nor sets cookies: pages of allowed origins may use it. */
    usesNoCookies?: boolean;
  }
}

/** Refuses requests that change something and come from a page that is not the platform's. */
export type RequireOwnPage = (request: FastifyRequest) => void;

/**
 * Browsers add the platform's cookies to requests of every page of the same site, and pages of capsules are such. A request that
 * says where it comes from has to come from a page of the host that it is sent to, or of the public address; programs say nothing,
 * and have no cookies but those that they were given.
 */
export function requireOwnPage(origins: CrossOrigins): RequireOwnPage {
  return ({ method, headers, routeOptions }) => {
    if (READING.has(method)) return;
    const { origin, host } = headers;
    const site = headers["sec-fetch-site"];
    if (site === "same-origin" || site === "none") return;
    if (origin === undefined && site === undefined) return;
    if (routeOptions.config.usesNoCookies === true && origins.allows(origin)) return;
    if (!origins.isOwn(origin ?? "", host))
      throw new WrennError("foreign_page", { origin: (origin ?? "another site").slice(0, 200) });
  };
}
