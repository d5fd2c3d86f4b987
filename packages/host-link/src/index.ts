export { connectHostAgent } from "./client/connect-host-agent.ts";
export type { HostLinkOptions, LinkedHostAgent } from "./client/connect-host-agent.ts";
export type { LinkCredentials } from "./host-authority.ts";
export { serveHostAgent } from "./server/serve-host-agent.ts";
export type { HostLinkServer, HostLinkServerOptions } from "./server/serve-host-agent.ts";
export { HostAuthority, makeHostRequest } from "./host-authority.ts";
export { ControlPlaneCredentials } from "./enrolment/control-plane-credentials.ts";
export {
  ControlPlaneClient,
  ControlPlaneRefusal,
  requireSecureUrl,
} from "./enrolment/control-plane-client.ts";
export type { IssuedCredentials, Registration } from "./enrolment/control-plane-client.ts";
export { readHostState, writeHostState } from "./enrolment/host-state.ts";
export type { HostState } from "./enrolment/host-state.ts";
export { enrol, stayEnrolled } from "./enrolment/stay-enrolled.ts";
export type { StayEnrolledOptions } from "./enrolment/stay-enrolled.ts";
