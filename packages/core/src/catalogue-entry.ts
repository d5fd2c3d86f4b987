import { defined } from "./defined.ts";

/** One kind of error that a user can meet; the catalogue says what each field becomes on the wire. */
export interface CatalogueEntry {
  /** The contract's `error.code`. */
  readonly code: string;
  readonly status: number;
  /** Whose fault: the caller's request, or the platform and its surroundings. */
  readonly fault: "user" | "system";
  readonly message: string;
  /** What the reader can do about it. */
  readonly remedy: string;
  /** Seconds after which asking again makes sense, where the error passes without anything being changed. */
  readonly retryAfter?: number;
}

/** An error that the caller's request causes. */
export const user = <const M extends string>(
  code: string,
  status: number,
  message: M,
  remedy: string,
  retryAfter?: number,
) => ({ code, status, fault: "user", message, remedy, ...defined({ retryAfter }) }) as const;
/** An error of the platform or its surroundings. */
export const system = <const M extends string>(
  code: string,
  status: number,
  message: M,
  remedy: string,
  retryAfter?: number,
) => ({ code, status, fault: "system", message, remedy, ...defined({ retryAfter }) }) as const;
