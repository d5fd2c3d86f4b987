import { ADMIN_CAPSULES, CAPSULES } from "../capsules/capsule-api.ts";
import type { App } from "../http/app.ts";
import type { SocketRoute } from "../http/socket-route.ts";
import { registerExecRoutes } from "./exec-routes.ts";
import type { ExecRoutesDeps } from "./exec-routes.ts";
import { execStream } from "./exec-stream.ts";
import { registerProcessRoutes } from "./process-routes.ts";
import type { ProcessRoutesDeps } from "./process-routes.ts";
import { processStream } from "./process-stream.ts";
import { BINARY_SUBPROTOCOL, pty } from "./pty.ts";

export type ProcessesDeps = ExecRoutesDeps & ProcessRoutesDeps;

/** Commands and processes in capsules of the caller's team. */
export function registerProcesses(app: App, deps: ProcessesDeps): void {
  registerExecRoutes(app, deps, CAPSULES);
  registerProcessRoutes(app, deps, CAPSULES);
}

/** The same for capsules of the platform's team, in the scope of platform administrators. */
export function registerProcessesAdmin(app: App, deps: ProcessesDeps): void {
  registerExecRoutes(app, deps, ADMIN_CAPSULES);
  registerProcessRoutes(app, deps, ADMIN_CAPSULES);
}

/** Sessions with commands, terminals and processes. */
export const processSockets: readonly SocketRoute[] = [
  { path: "exec/stream", auditAction: "exec_stream", scope: "run", handler: execStream },
  {
    path: "pty",
    auditAction: "terminal",
    scope: "run",
    hasFatalErrors: true,
    subprotocol: BINARY_SUBPROTOCOL,
    handler: pty,
  },
  {
    path: "processes/:selector/stream",
    query: ["from", "from_stderr", "encoding"],
    scope: "read",
    handler: processStream,
  },
];
