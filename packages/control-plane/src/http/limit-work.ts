import { WrennError } from "@wrenn/core";
import { identityOf } from "./app.ts";
import type { App } from "./app.ts";
import type { PendingWork, Work } from "./pending-work.ts";

/** Routes whose requests a guest has to answer. */
const GUEST_ROUTE = /^\/v1\/(admin\/)?capsules\/:id\/(exec|files|processes)\b/;
/** Answers up to this size are not counted. */
const SMALL_ANSWER = 16_384;

declare module "fastify" {
  interface FastifyRequest {
    /** Set for requests that a guest has to answer. */
    work: Work | undefined;
  }
}

/**
 * Bounds the requests of a group that guests have to answer, from their first byte until their answers are sent: a client that does
 * not take an answer holds a place, and the memory of the answer.
 */
export function limitWork(group: App, pending: PendingWork): void {
  group.decorateRequest("work", undefined);
  group.addHook("onRequest", async (request, reply) => {
    if (!GUEST_ROUTE.test(request.routeOptions.url ?? "")) return;
    const { id } = request.params as { readonly id: string };
    const work = pending.begin(identityOf(request).teamId, id);
    request.work = work;
    reply.raw.once("close", () => work[Symbol.dispose]());
    if (reply.raw.destroyed) work[Symbol.dispose]();
  });
  group.addHook("onSend", async (request, reply, payload) => {
    const size = typeof payload === "string" || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;
    if (!request.work || size <= SMALL_ANSWER || request.work.replace(size)) return payload;
    reply.removeHeader("content-length");
    throw new WrennError("guest_busy", { problem: "there is no room for the answer" });
  });
}
