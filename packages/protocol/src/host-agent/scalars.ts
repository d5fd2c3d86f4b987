import { Type } from "typebox";
import type { Static, TSchema } from "typebox";

/* Bounds hold for what crosses a machine's border: both sides of a link check them. */

export const Id = Type.String({ minLength: 1, maxLength: 64 });
export const Text = Type.String({ maxLength: 65_536 });
export const Count = Type.Integer({ minimum: 0 });
export const Bytes = Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array);

/** The type that a schema describes; nothing of it may be written to. */
export type Described<S extends TSchema> = Immutable<Static<S>>;

type Immutable<T> = T extends Uint8Array
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T;
