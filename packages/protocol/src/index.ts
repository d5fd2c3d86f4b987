export * as guestChannel from "./guest-channel/index.ts";
export type { Frame, Hello, Welcome } from "./guest-channel/index.ts";
export * from "./host-agent/index.ts";
