import { Socket } from "node:net";
import { systemClock, systemRandom, WrennError } from "@wrenn/core";
import { answerError } from "../http/error-answer.ts";
import { responseOn } from "../http/upgrade.ts";
import { CHECK_MS, createClientServer } from "../client-server.ts";
import type { ClientServer, EdgeFallback } from "../client-server.ts";
import { PortEdge } from "../port-edge.ts";
import { Answers } from "./answers.ts";
import { LinkedPlatform } from "./linked-platform.ts";
import { errorFromWire, routeFromWire, toProcessShapes } from "./messages.ts";
import type { Of, ToProcess } from "./messages.ts";
import { parseMessages } from "./message-shapes.ts";
import { ServedConnections } from "./served-connections.ts";
import { linkedLogger, ServerLink } from "./server-link.ts";
import type { ProcessSettings } from "./settings.ts";

/**
 * The process of a `PortProcess`: serves the connections that the server gives it. It has no database and no key but that of links and that
 * of TLS; what it does not know it asks the server. It ends with the server.
 */
const link = new ServerLink((messages) => {
  if (process.connected) process.send?.(messages, undefined, {}, () => {});
});
const platform = new LinkedPlatform(link, systemClock);

/** What serves connections, once the settings have come. */
interface Serving {
  readonly ports: PortEdge;
  readonly connections: ServedConnections;
  readonly plain: ClientServer;
  readonly secure: ClientServer | undefined;
}

let serving: Serving | undefined;

const answers = new Answers({
  answer: (ref, value) => link.tell({ type: "answer", ref, value }),
  fail: (ref, error) => link.tell({ type: "failed", ref, error }),
});

/** Only ports are served here: other requests of a connection, such as those of HTTP/2 to another name, belong on another connection. */
const misdirected: EdgeFallback = {
  request: (request, response) =>
    answerError(request, response, new WrennError("request_misdirected", {}), systemRandom.uuid()),
  upgrade: (request, socket) => {
    socket.on("error", () => {});
    const error = new WrennError("request_misdirected", {});
    answerError(request, responseOn(request, socket), error, systemRandom.uuid());
  },
};

function start(settings: ProcessSettings): Serving {
  const { domain, publicUrl, pathHost, origin, linkKey, tls, limits, listener, draining } = settings;
  const connections = new ServedConnections(listener, systemClock, link);
  const ports = new PortEdge({
    domain,
    publicUrl,
    pathHost,
    linkKey: Buffer.from(linkKey, "base64"),
    clock: systemClock,
    random: systemRandom,
    logger: linkedLogger(link),
    attempts: platform,
    ...(limits && { limits }),
    onAuthenticated: async ({ socket }, owner, grant) => {
      const connection = connections.find(socket);
      if (!connection) return;
      const counted = platform.authenticated(connections.numberOf(connection), owner, grant);
      // It counts for the owner already. If it no longer does, the server counts it for its network.
      if (connection.isAuthenticated && connection.owner === owner) counted.catch(() => {});
      else await counted;
      connections.authenticated(connection, owner);
    },
    onActivity: (capsule) => link.tell({ type: "active", capsule }),
    onUse: (capsule, isInUse) => link.tell({ type: "in_use", capsule, isInUse }),
  });
  ports.join(platform);
  ports.listensAt(origin.scheme, origin.port);
  for (const capsule of draining) void ports.drain(capsule, new AbortController().signal);
  const common = {
    edge: ports.edge,
    fallback: misdirected,
    connections,
    clock: systemClock,
    random: systemRandom,
  };
  const plain = createClientServer(common);
  const secure = tls && createClientServer({ ...common, tls });
  // Time limits of Node's own begin with it, and it never listens.
  for (const each of [plain, secure]) each?.server.emit("listening");
  setInterval(() => {
    plain.check();
    secure?.check();
    platform.releaseUnused();
  }, CHECK_MS).unref();
  return { ports, connections, plain, secure };
}

function serve(
  { ports, connections, plain, secure }: Serving,
  { connection, head, isSecure, capsule, route }: Of<ToProcess, "connection">,
  socket: unknown,
): void {
  if (!(socket instanceof Socket)) {
    // It ended on its way.
    link.tell({ type: "closed", connection });
    return;
  }
  const found = routeFromWire(route);
  if (found) ports.edge.learn(capsule, found);
  connections.add(socket, connection);
  if (socket.destroyed) return;
  // As the sockets of the server, whose services may answer after the client has finished.
  socket.allowHalfOpen = true;
  socket.unshift(Buffer.from(head, "base64"));
  (isSecure ? secure : plain)?.server.emit("connection", socket);
}

function take(message: ToProcess, socket: unknown): void {
  if (message.type === "start") {
    serving = start(message.settings as ProcessSettings);
    link.tell({ type: "ready" });
    return;
  }
  if (!serving) throw new Error(`a message ${message.type} came before the settings`);
  const { ports, connections } = serving;
  switch (message.type) {
    case "connection":
      serve(serving, message, socket);
      return;
    case "destroy":
      connections.destroy(message.connection);
      return;
    case "anonymous":
      connections.anonymous(message.connection);
      return;
    case "invalidate":
      ports.invalidate(message.capsule);
      return;
    case "drain":
      void answers.give(message.ref, async (signal) => ports.drain(message.capsule, signal));
      return;
    case "end":
      ports.end(message.capsule);
      return;
    case "reset":
      ports.reset(message.capsule);
      return;
    case "ended":
      platform.ended(message.grant, message.error);
      return;
    case "answer":
      link.questions.answer(message.ref, message.value);
      return;
    case "failed":
      link.questions.fail(message.ref, errorFromWire(message.error));
      return;
    case "abort":
      answers.abandon(message.ref);
  }
}

// A signal that ends the server comes to its whole group: the server ends this process when it no longer needs it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.once("disconnect", () => process.exit(0));
process.on("message", (received: unknown, socket: unknown) => {
  for (const message of parseMessages(toProcessShapes, received)) take(message, socket);
});
