import { ADMIN_CAPSULES, CAPSULES } from "../capsules/capsule-api.ts";
import type { App } from "../http/app.ts";
import type { SocketRoute } from "../http/socket-route.ts";
import { registerExecRoutes } from "./exec-routes.ts";
import type { ExecRoutesDeps } from "./exec-routes.ts";
import { execStream } from "./exec-stream.ts";
import { registerOutputRoutes } from "./output-routes.ts";
import type { OutputRoutesDeps } from "./output-routes.ts";
import { registerProcessRoutes } from "./process-routes.ts";
import type { ProcessRoutesDeps } from "./process-routes.ts";
import { processStream } from "./process-stream.ts";
import { BINARY_SUBPROTOCOL } from "./open-terminal.ts";
import { createPty } from "./pty.ts";
import { execDescription, processStreamDescription, terminalDescription } from "./session-messages.ts";

export type ProcessesDeps = ExecRoutesDeps & ProcessRoutesDeps & OutputRoutesDeps;

/** Commands and processes in capsules of the caller's team. */
export function registerProcesses(app: App, deps: ProcessesDeps): void {
  registerExecRoutes(app, deps, CAPSULES);
  registerProcessRoutes(app, deps, CAPSULES);
  registerOutputRoutes(app, deps, CAPSULES);
}

/** The same for capsules of the platform's team, in the scope of platform administrators. */
export function registerProcessesAdmin(app: App, deps: ProcessesDeps): void {
  registerExecRoutes(app, deps, ADMIN_CAPSULES);
  registerProcessRoutes(app, deps, ADMIN_CAPSULES);
  registerOutputRoutes(app, deps, ADMIN_CAPSULES);
}

/** Sessions with commands, terminals and processes; each call has terminals of its own. */
export const processSockets = (): readonly SocketRoute[] => [
  {
    path: "exec/stream",
    description: execDescription,
    auditAction: "exec_stream",
    scope: "run",
    handler: execStream,
  },
  {
    path: "pty",
    description: terminalDescription,
    auditAction: "terminal",
    scope: "run",
    hasFatalErrors: true,
    subprotocol: BINARY_SUBPROTOCOL,
    handler: createPty(),
  },
  {
    path: "processes/:selector/stream",
    description: processStreamDescription,
    scope: "read",
    handler: processStream,
  },
];
