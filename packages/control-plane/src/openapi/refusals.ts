import { STATUS_CODES } from "node:http";
import { errorCatalogue } from "@wrenn/core";
import type { CatalogueEntry, ErrorReason } from "@wrenn/core";
import { headersNamed, notesOf } from "./answers.ts";
import type { ApiDocument, ApiMedia, ApiReference, ApiResponse } from "./api-document.ts";
import type { RouteName } from "./route-errors.ts";

/** Body of every refusal. */
export const ErrorBody = {
  title: "Error",
  description: "A refusal",
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "reason", "remedy", "request_id"],
      properties: {
        code: { type: "string", description: "Kind of the error, which clients dispatch on" },
        message: { type: "string", description: "What is wrong, for people" },
        reason: { type: "string", description: "Precise entry of the error catalogue" },
        remedy: { type: "string", description: "What can be done about it" },
        request_id: { type: "string", description: "Id of the request, also in the server's log" },
        field: { type: "string", description: "Path of the field that is refused, with `invalid_field`" },
        sandbox_ids: {
          type: "array",
          items: { type: "string" },
          description: "Capsules of a host that cannot be deleted",
        },
        accepted: { type: "integer", description: "Bytes of input that were taken, when not all were" },
        expected: { type: "integer", description: "Where the input continues, when bytes are missing" },
      },
    },
    sandbox_ids: {
      type: "array",
      items: { type: "string" },
      description: "The same as in `error`",
    },
  },
} as const;

/** Refusals of routes. Those that routes have in common are described once, among the components. */
export class Refusals {
  readonly #names = new Map<string, string>();
  readonly #responses: [string, ApiResponse][] = [];
  readonly #used = new Set<ErrorReason>();

  /** Refusals of a route by status; each lists the reasons that it may have. */
  of(route: RouteName, errors: readonly ErrorReason[]): Readonly<Record<string, ApiReference>> {
    for (const reason of errors) this.#used.add(reason);
    const byStatus = Map.groupBy(errors, (reason) => entryOf(reason).status);
    const refusals = [...byStatus].toSorted(([one], [other]) => one - other);
    return Object.fromEntries(
      refusals.map(([status, reasons]) => [String(status), this.#shared(status, reasons.toSorted(), route)]),
    );
  }

  components(): ApiDocument["components"]["responses"] {
    return Object.fromEntries(this.#responses);
  }

  examples(): ApiDocument["components"]["examples"] {
    return Object.fromEntries([...this.#used].toSorted().map((reason) => [reason, exampleOfError(reason)]));
  }

  #shared(status: number, reasons: readonly ErrorReason[], route: RouteName): ApiReference {
    const isHead = route.method === "HEAD";
    const { pages = false } = notesOf(route);
    const key = JSON.stringify([status, reasons, isHead, pages]);
    const kind = (STATUS_CODES[status] ?? "Client Left").replaceAll(/[^A-Za-z]/g, "");
    const known = this.#names.get(key);
    const name =
      known ?? `${kind}${this.#responses.filter(([one]) => one.replace(/\d+$/, "") === kind).length + 1}`;
    if (known === undefined) {
      this.#names.set(key, name);
      const passes = status === 429 || reasons.some((reason) => entryOf(reason).retryAfter !== undefined);
      const response = {
        description: `${STATUS_CODES[status] ?? "Client Left"}: ${reasons.join(", ")}`,
        headers: headersNamed("X-Request-Id", ...(passes ? ["Retry-After"] : [])),
        ...(!isHead && {
          content: {
            "application/json": refusalMedia(reasons),
            ...(pages && { "text/html": { schema: { type: "string" } } }),
          },
        }),
      };
      this.#responses.push([name, response]);
    }
    return { $ref: `#/components/responses/${name}` };
  }
}

function refusalMedia(reasons: readonly ErrorReason[]): ApiMedia {
  return {
    schema: {
      allOf: [
        { $ref: "#/components/schemas/Error" },
        {
          type: "object",
          properties: {
            error: { type: "object", properties: { reason: { type: "string", enum: reasons } } },
          },
        },
      ],
    },
    examples: Object.fromEntries(
      reasons.map((reason) => [reason, { $ref: `#/components/examples/${reason}` }]),
    ),
  };
}

function entryOf(reason: ErrorReason): CatalogueEntry {
  return errorCatalogue[reason];
}

function exampleOfError(reason: ErrorReason) {
  const { code, message, remedy } = entryOf(reason);
  return {
    summary: message,
    value: { error: { code, message, reason, remedy, request_id: "req-0a1b2c3d4e5f60718293a4b5" } },
  };
}
