/**
 * Version of the sandbox agent that clients are told, from which they derive what it can do. It is the highest one whose
 * behaviours all exist here (docs/reference/e2b-agent.md#version).
 */
export const ENVD_VERSION = "0.6.13";

/** Port by which clients address the agent of a sandbox. Nothing listens there in the guest: the server answers itself. */
export const ENVD_PORT = 49_983;
