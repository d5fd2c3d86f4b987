import { Type } from "typebox";
import { scopes } from "./identity.ts";

/** A line of text: control characters and halves of characters are of no use in it, and the database takes neither. */
export const LINE = String.raw`^[^\p{Cc}\p{Cs}]*$`;

/** A safe name (docs/reference/values.md#names). */
export const SafeName = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
  description: "1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit",
});

export const CapsuleParams = Type.Object({
  id: Type.String({ description: "Id of a capsule, `cl-` and 25 characters, or its name" }),
});

/** What an API key may do. */
export const Scopes = Type.Array(
  Type.Union([
    Type.Literal("read"),
    Type.Literal("run"),
    Type.Literal("manage"),
    Type.Literal("ports"),
    Type.Literal("egress"),
  ]),
  {
    minItems: 1,
    maxItems: scopes.length,
    uniqueItems: true,
  },
);

export const ErrorSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      reason: Type.String({ description: "Precise entry of the error catalogue" }),
      remedy: Type.String(),
      request_id: Type.String(),
      field: Type.Optional(
        Type.String({ description: "Of `invalid_field`: path of the field that is refused" }),
      ),
    }),
  },
  { description: "A refusal" },
);

/** Every route may be refused; which statuses it uses stands in its description. */
export const refusals = { "4xx": ErrorSchema, "5xx": ErrorSchema } as const;
