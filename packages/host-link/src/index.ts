export { connectHostAgent } from "./client/connect-host-agent.ts";
export type { HostLinkOptions, LinkedHostAgent } from "./client/connect-host-agent.ts";
export type { LinkCredentials } from "./credentials.ts";
export { serveHostAgent } from "./server/serve-host-agent.ts";
export type { HostLinkServer, HostLinkServerOptions } from "./server/serve-host-agent.ts";
export { HostAuthority } from "./host-authority.ts";
export { makeHostRequest } from "@wrenn/certificates";
