import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { problemOf, WrennError } from "@wrenn/core";
import { LINK_PARAMETER, signLink } from "./access/signed-link.ts";
import type { LinkRecord } from "./access/signed-link.ts";
import { signTicket, TICKET_PARAMETER } from "./access/port-session.ts";
import { ConnectionTracker } from "./connection-tracker.ts";
import { defaultLimits } from "./edge-options.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { answerError } from "./http/error-answer.ts";
import { abortResponse, authorityOf, targetOf } from "./http/messages.ts";
import type { EdgeRequest, EdgeResponse } from "./http/messages.ts";
import { valuesOf } from "./http/raw-headers.ts";
import type { Rest, UpgradedClient } from "./http/exchange.ts";
import { noteRelayed } from "./http/relayed.ts";
import { relay } from "./http/relay.ts";
import { relayUpgrade, responseOn } from "./http/upgrade.ts";
import { relayWebSocketStream } from "./http/websocket-stream.ts";
import { openPort } from "./open-port.ts";
import { hostNameOf, parsePortHost } from "./port-target.ts";
import type { PortTarget } from "./port-target.ts";
import { RequestPlanner } from "./request-planner.ts";
import type { Arrival, Send } from "./request-planner.ts";
import { parsePathForm } from "./routing/path-form.ts";
import type { CapsuleRoute } from "./routing/capsule-route.ts";
import { RouteTable } from "./routing/route-table.ts";
import { UpstreamPools } from "./upstream/upstream-pools.ts";

/** A port to which its caller was admitted. */
export interface AdmittedTarget extends PortTarget {
  /** What the service sees as its host; default: what the client has sent. */
  readonly host?: string | undefined;
  /** Answers a request that did not reach the service; default: as the platform answers. */
  readonly refuse?: Refuse | undefined;
}

/** Answers a request that did not reach its service; nothing was answered before. */
export type Refuse = (error: WrennError, requestId: string) => void;

/** The way from the outside to ports of capsules. */
export interface Edge {
  /** Takes a request that is for a port of a capsule; false leaves it, untouched, to others. */
  handle(request: EdgeRequest, response: EdgeResponse): boolean;
  /** Takes a request for a port that was named by other means than its host, and whose caller was admitted to it. */
  serve(target: AdmittedTarget, request: EdgeRequest, response: EdgeResponse): void;
  /** The same as `serve` for a request that asks for another protocol; `response` takes the answer that refuses it. */
  serveUpgrade(
    target: AdmittedTarget,
    request: IncomingMessage,
    response: ServerResponse,
    client: UpgradedClient,
  ): void;
  /** The same as `handle` for a request that asks for another protocol, such as WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** The same for a WebSocket of HTTP/2 (RFC 8441). */
  webSocketStream(request: Http2ServerRequest, response: Http2ServerResponse): boolean;
  /** Connects to a port, for callers that have checked who may; see `openPort`. */
  openPort(target: PortTarget, signal: AbortSignal): Promise<Duplex>;
  /** The capsule's route, which may be some seconds old. @throws WrennError `capsule_not_found`. */
  find(capsuleId: string): Promise<CapsuleRoute>;
  /** Takes a route that was found elsewhere just now. */
  learn(capsuleId: string, route: CapsuleRoute): void;
  /** The capsule was paused, resumed, moved or destroyed, or its access changed: nothing known about it holds. */
  invalidate(capsuleId: string): void;
  /** Query string of a link to the port, which works for everyone who has it until it ends or is revoked. */
  linkQuery(target: PortTarget, link: LinkRecord): string;
  /** Query string by which the browser that `binding` stands for opens the port for this login (UUID); see `SignInAddress`. */
  ticketQuery(target: PortTarget, sessionId: string, binding: string): string;
  /** Connections under way, for draining before a pause. */
  readonly connections: ConnectionTracker;
  /** Ends everything that is under way. */
  close(): void;
}

/** Creates the edge; it listens nowhere by itself (see `listenEdge`). */
export function createEdge(options: EdgeOptions): Edge {
  const limits = { ...defaultLimits, ...options.limits };
  const { clock, logger, random } = options;
  const closed = new AbortController();
  const connections = new ConnectionTracker(options.onUse);
  const routes = new RouteTable(options.capsules, clock, limits.resumeMs, closed.signal);
  const pools = new UpstreamPools(limits, clock);
  const planner = new RequestPlanner({ options, limits, connections, routes, pools, closed: closed.signal });

  const serve = async (
    arrival: Arrival,
    response: EdgeResponse,
    send: Send,
    refuse?: Refuse,
  ): Promise<Rest | undefined> => {
    try {
      return await planner.run(arrival, response, send);
    } catch (error) {
      const known = error instanceof WrennError ? error : new WrennError("internal", {}, { cause: error });
      const requestId = random.uuid();
      if (response.headersSent || response.destroyed) abortResponse(response);
      else if (refuse) refuse(known, requestId);
      else answerError(arrival.request, response, known, requestId);
      logger[known.reason === "internal" ? "error" : "debug"]("edge.refused", {
        request_id: requestId,
        host: authorityOf(arrival.request),
        reason: known.reason,
        problem: known.reason === "internal" ? problemOf(error) : known.message,
      });
      return undefined;
    }
  };

  const arrivalOf = (request: EdgeRequest): Arrival | WrennError | undefined => {
    try {
      const url = targetOf(request);
      const host = authorityOf(request);
      const target = parsePortHost(host, options.domains);
      if (!target && (options.pathHost === undefined || hostNameOf(host) !== options.pathHost))
        return undefined;
      // RFC 9112 §3.2: two names could mean two capsules.
      if (valuesOf(request.rawHeaders, "host").length > 1) {
        return new WrennError("invalid_field", { field: "Host", problem: "was sent more than once" });
      }
      if (target) return { request, target, url, prefix: "" };
      const form = parsePathForm(url);
      if (form) return { request, ...form };
      // Nothing of the platform is served where services share the origin.
      const [path = ""] = url.split("?", 1);
      return new WrennError("route_not_found", { method: request.method ?? "GET", path });
    } catch (error) {
      if (error instanceof WrennError) return error;
      throw error;
    }
  };

  const take = (request: EdgeRequest, response: EdgeResponse, send: Send): boolean => {
    const arrival = arrivalOf(request);
    if (!arrival) return false;
    request.on("error", ignore);
    response.on("error", ignore);
    if (arrival instanceof WrennError) answerError(request, response, arrival, random.uuid());
    else void serve(arrival, response, send).then(resumeRelay);
    return true;
  };
  const relayPlan =
    (request: EdgeRequest, response: EdgeResponse): Send =>
    async ({ exchange }) => {
      await relay(request, response, exchange);
      return undefined;
    };

  const upgradePlan =
    (request: IncomingMessage, response: ServerResponse, client: UpgradedClient): Send =>
    async ({ exchange }) =>
      await relayUpgrade(request, response, client, exchange);
  const serveAdmitted = (
    { host, refuse, ...target }: AdmittedTarget,
    request: EdgeRequest,
    response: EdgeResponse,
    send: Send,
  ): void => {
    request.on("error", ignore);
    response.on("error", ignore);
    noteRelayed(request);
    const arrival = { request, target, url: targetOf(request), prefix: "", isAdmitted: true, host };
    void serve(arrival, response, send, refuse).then(resumeRelay);
  };

  return {
    connections,
    handle: (request, response) => take(request, response, relayPlan(request, response)),
    serve: (target, request, response) =>
      serveAdmitted(target, request, response, relayPlan(request, response)),
    serveUpgrade: (target, request, response, client) => {
      client.socket.on("error", ignore);
      serveAdmitted(target, request, response, upgradePlan(request, response, client));
    },
    webSocketStream: (request, response) =>
      take(request, response, async ({ exchange }) =>
        relayWebSocketStream(request, response, exchange, random),
      ),
    upgrade: (request, socket, head) => {
      const arrival = arrivalOf(request);
      if (!arrival) return false;
      socket.on("error", ignore);
      const response = responseOn(request, socket);
      if (arrival instanceof WrennError) answerError(request, response, arrival, random.uuid());
      else {
        void serve(arrival, response, upgradePlan(request, response, { socket, head })).then(resumeRelay);
      }
      return true;
    },
    openPort: async (target, signal) =>
      await openPort({ options, limits, connections, routes, clock, closed: closed.signal }, target, signal),
    find: async (capsuleId) => await routes.find(capsuleId),
    learn: (capsuleId, route) => routes.learn(capsuleId, route),
    invalidate: (capsuleId) => {
      routes.invalidate(capsuleId);
      pools.forget(capsuleId);
    },
    linkQuery: (target, link) => `${LINK_PARAMETER}=${signLink(options.linkKey, target, link)}`,
    ticketQuery: (target, sessionId, binding) =>
      `${TICKET_PARAMETER}=${signTicket(options.linkKey, target, sessionId, binding, clock.now())}`,
    close: () => {
      closed.abort(new WrennError("port_draining", {}));
      connections.closeAll();
      pools.close();
    },
  };
}

/** Does what is left of an exchange, without a reference to what was before. */
async function resumeRelay(rest: Rest | undefined): Promise<void> {
  await rest?.();
}

/** For errors that somebody else hears of; a listener of its own would keep what is around it alive. */
function ignore(): void {}
