import { errorCatalogue } from "./error-catalogue.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import type { ErrorContext, ErrorReason } from "./error-catalogue.ts";

/** Any context, for code that handles errors of every reason. */
type AnyContext = Readonly<Record<string, string | number>>;

/** An error of the catalogue: knows its code, status, message and remedy. */
export class WrennError<R extends ErrorReason = ErrorReason> extends Error {
  override readonly name = "WrennError";
  readonly reason: R;
  readonly context: AnyContext;

  constructor(reason: R, context: ErrorContext<R>, options?: { readonly cause?: unknown }) {
    super(fill(errorCatalogue[reason].message, context), options);
    this.reason = reason;
    this.context = context;
  }

  get entry(): CatalogueEntry {
    return errorCatalogue[this.reason];
  }

  /** The remedy with its placeholders filled. */
  get remedy(): string {
    return fill(this.entry.remedy, this.context);
  }

  /** Seconds after which asking again makes sense, for `Retry-After`. */
  get retryAfter(): number | undefined {
    const said = this.context["retry_after"];
    return said === undefined ? this.entry.retryAfter : Number(said);
  }

  /** Narrows an unknown error to one reason. */
  static is<R extends ErrorReason>(error: unknown, reason: R): error is WrennError<R> {
    return error instanceof WrennError && error.reason === reason;
  }
}

/** Short text of anything that was thrown, for a `{problem}` placeholder. Never includes a stack. */
export function problemOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}

/** Anything that was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function fill(template: string, context: AnyContext): string {
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(context[name] ?? whole));
}
