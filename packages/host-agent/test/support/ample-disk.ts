import { DiskReserve } from "@wrenn/host-agent";

/** A disk that never becomes full. */
export const ampleDisk: DiskReserve = new DiskReserve(
  { readSpace: async () => ({ totalBytes: 1e15, freeBytes: 1e15 }) },
  { path: "/", reserveBytes: 0 },
);
