import { Type } from "typebox";
import type { Static } from "typebox";

/** How long a hold lasts when its control plane is not heard of any more. */
export const LEASE_MS = 60_000;

/** Keeps a capsule awake for `ms`, or lets it go with 0. Renewed under its key for as long as it is wanted. */
export const LeaseShape = Type.Tuple([
  Type.Object({
    id: Type.String({ minLength: 1, maxLength: 64 }),
    key: Type.String({ minLength: 1, maxLength: 64 }),
    ms: Type.Integer({ minimum: 0, maximum: LEASE_MS }),
  }),
]);

export type Lease = Static<typeof LeaseShape>;
