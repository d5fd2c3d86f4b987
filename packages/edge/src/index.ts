export { createEdge } from "./edge.ts";
export type { Edge } from "./edge.ts";
export type { EdgeLimits, EdgeOptions } from "./edge-options.ts";
export type { CredentialChecks } from "./access/access-control.ts";
export type { CapsuleDirectory, CapsuleRoute, PortAccess } from "./routing/capsule-route.ts";
export type { PortTarget } from "./port-target.ts";
export { listenEdge } from "./edge-server.ts";
export type { EdgeFallback, EdgeServer, EdgeServerOptions, EdgeTls } from "./edge-server.ts";
