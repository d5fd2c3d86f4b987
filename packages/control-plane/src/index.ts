export { createControlPlane } from "./create-control-plane.ts";
export type { ControlPlane, ControlPlaneOptions } from "./create-control-plane.ts";
export { ensureFirstTeam } from "./services/bootstrap.ts";
export type { Mail, Mailer } from "./accounts/mailer.ts";
export type { HostCertifier } from "./hosts/host-enrolment.ts";
export type { ConnectHost, LocalHost, MonitorTimes } from "./hosts/host-monitor.ts";
export { defaultCapacity } from "./hosts/placement.ts";
