import { WrennError } from "@wrenn/core";
import { identityOf } from "./app.ts";
import type { App } from "./app.ts";
import type { FastifyReply } from "fastify";
import type { PendingWork, Work } from "./pending-work.ts";

/** Routes whose requests a guest has to answer. */
const GUEST_ROUTE = /^\/v1\/(admin\/)?capsules\/:id\/(exec|files|processes|ports\/listening)\b/;
/** Those of them that last and count as sessions. */
const SESSION_ROUTE = /\/processes\/:selector\/output$/;
/** Routes that last, or that wait for a host: creates have a rate of their own. */
const LASTING = /^\/v1\/((admin\/)?events$|capsules\/:id\/(logs|metrics\/stream)\b)/;
const ON_HOSTS = /^\/v1\/(admin\/)?capsules\b/;
/** Answers up to this size are not counted. */
const SMALL_ANSWER = 16_384;

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route waits for a host, not for the database alone, where its path does not say it. */
    waitsForHost?: boolean;
  }
  interface FastifyRequest {
    /** Set for requests that a guest has to answer. */
    work: Work | undefined;
  }
}

/**
 * Bounds the requests of one team that the database answers, from their first byte until their answers are sent: they wait for the same
 * connections as those of the others.
 */
export function limitRequests(group: App, pending: PendingWork): void {
  group.addHook("onRequest", async (request, reply) => {
    const { url: route = "", config } = request.routeOptions;
    if (config.waitsForHost === true) return;
    const isReading = request.method === "GET" || request.method === "HEAD";
    if (GUEST_ROUTE.test(route) || LASTING.test(route) || (ON_HOSTS.test(route) && !isReading)) return;
    endWithAnswer(pending.begin(identityOf(request).teamId), reply);
  });
}

/**
 * Bounds the requests of a group that guests have to answer, from their first byte until their answers are sent: a client that does
 * not take an answer holds a place, and the memory of the answer.
 */
export function limitWork(group: App, pending: PendingWork): void {
  group.decorateRequest("work", undefined);
  group.addHook("onRequest", async (request, reply) => {
    const route = request.routeOptions.url ?? "";
    if (!GUEST_ROUTE.test(route) || SESSION_ROUTE.test(route)) return;
    const { id } = request.params as { readonly id: string };
    const work = pending.begin(identityOf(request).teamId, id);
    request.work = work;
    endWithAnswer(work, reply);
  });
  group.addHook("onSend", async (request, reply, payload) => {
    const size = typeof payload === "string" || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;
    if (!request.work || size <= SMALL_ANSWER || request.work.replace(size)) return payload;
    reply.removeHeader("content-length");
    throw new WrennError("guest_busy", { problem: "there is no room for the answer" });
  });
}

function endWithAnswer(work: Work, { raw }: Pick<FastifyReply, "raw">): void {
  raw.once("close", () => work[Symbol.dispose]());
  if (raw.destroyed) work[Symbol.dispose]();
}
