import { Type } from "typebox";

/** A line of text: control characters and halves of characters are of no use in it, and the database takes neither. */
export const LINE = String.raw`^[^\p{Cc}\p{Cs}]*$`;

/** What the contract calls a safe name (contract 00 §3). */
export const SafeName = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
  description: "1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit",
});

/** Path of the capsules of the team that somebody acts in; those of the platform have the same routes below another one. */
export const CAPSULES: string = "/v1/capsules";

export const CapsuleParams = Type.Object({
  id: Type.String({ description: "Capsule id, `cl-` and 25 characters" }),
});

export const ErrorSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      reason: Type.String({ description: "Precise entry of the error catalogue" }),
      remedy: Type.String(),
      request_id: Type.String(),
    }),
  },
  { description: "A refusal" },
);

/** Every route may be refused; which statuses it uses stands in its description. */
export const refusals = { "4xx": ErrorSchema, "5xx": ErrorSchema } as const;

export const Capsule = Type.Object(
  {
    id: Type.String(),
    status: Type.String({
      description: "pending, starting, running, paused, hibernated, missing, stopped or error",
    }),
    template: Type.String(),
    vcpus: Type.Integer(),
    memory_mb: Type.Integer(),
    timeout_sec: Type.Integer(),
    max_lifetime_sec: Type.Optional(Type.Integer({ description: "Left out when there is no limit" })),
    lifetime_ends_at: Type.Optional(
      Type.String({ description: "When a running capsule is paused whether or not it is in use" }),
    ),
    host_ip: Type.Optional(Type.String({ description: "Address of the capsule on its host" })),
    created_at: Type.String({ description: "RFC 3339, UTC" }),
    started_at: Type.Optional(Type.String()),
    last_active_at: Type.Optional(Type.String()),
    last_updated: Type.String(),
    problem: Type.Optional(Type.String({ description: "Why a capsule whose status is error has failed" })),
    metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  { description: "A capsule" },
);
