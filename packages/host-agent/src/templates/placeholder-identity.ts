/** Name and machine id of a guest that no capsule has yet. The name is as long as the id of a capsule. */
export const placeholderIdentity = {
  hostname: `template-${"x".repeat(19)}`,
  machineId: "0".repeat(32),
} as const;
