import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";

const READING = new Set(["GET", "HEAD", "OPTIONS"]);

/** Refuses requests that change something and come from a page that is not the platform's. */
export type RequireOwnPage = (request: FastifyRequest) => void;

/**
 * Browsers add the platform's cookies to requests of every page of the same site, and pages of capsules are such. A request that
 * says where it comes from has to come from a page of the host that it is sent to, or of the public address; programs say nothing,
 * and have no cookies but those that they were given.
 *
 * @param publicUrl - where people reach the platform.
 */
export function requireOwnPage(publicUrl: string): RequireOwnPage {
  const publicOrigin = URL.parse(publicUrl)?.origin;
  return ({ method, headers }) => {
    if (READING.has(method)) return;
    const { origin, host } = headers;
    const site = headers["sec-fetch-site"];
    if (site === "same-origin" || site === "none") return;
    if (origin === undefined && site === undefined) return;
    const page = URL.parse(origin ?? "");
    const isOwn = page !== null && (page.origin === publicOrigin || page.host === host?.toLowerCase());
    if (!isOwn) throw new WrennError("foreign_page", { origin: (origin ?? "another site").slice(0, 200) });
  };
}
