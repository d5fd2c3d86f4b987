import { Type } from "typebox";

/** The body of every refusal. */
export const ErrorBody = Type.Object({
  code: Type.Integer({ description: "The HTTP status" }),
  message: Type.String(),
  error_code: Type.Optional(Type.String()),
});

/** Responses of a route besides its success. */
export const errors = { "4xx": ErrorBody, "5xx": ErrorBody } as const;
