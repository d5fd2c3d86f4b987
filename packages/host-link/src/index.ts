export { connectHostAgent } from "./client/connect-host-agent.ts";
export type { HostLinkOptions, LinkedHostAgent } from "./client/connect-host-agent.ts";
export type { LinkCredentials } from "./credentials.ts";
export { serveHostAgent } from "./server/serve-host-agent.ts";
export type { HostLinkServer, HostLinkServerOptions } from "./server/serve-host-agent.ts";
export { HostAuthority, makeHostRequest } from "./host-authority.ts";
