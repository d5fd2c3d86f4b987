import { toWire } from "@wrenn/control-plane";
import type { OtherApi } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { Static } from "typebox";
import type { ErrorBody } from "./error-body.ts";
import { clientOf } from "./unknown-routes.ts";
import { isOauthRoute, oauthError } from "./oauth-error.ts";
import type { UnknownRoutes } from "./unknown-routes.ts";

/** Statuses that clients of this API tell apart, where the platform's own differ. */
const statuses: Readonly<Partial<Record<string, number>>> = {
  // A limit of the team: clients raise their rate limit error.
  quota_exceeded: 429,
  // Clients take 404 for "no such sandbox", and 400 for a mistake in the request.
  invalid_id: 404,
};

/** An error as a part of an answer. */
export function errorEntry({ entry, message, reason, remedy }: WrennError): Static<typeof ErrorBody> {
  return bodyOf(entry.status, { message, reason, remedy });
}

function bodyOf(
  ownStatus: number,
  { message, reason, remedy }: Pick<WrennError, "message" | "remedy"> & { readonly reason: string },
): Static<typeof ErrorBody> {
  return { code: statuses[reason] ?? ownStatus, message: `${message}. ${remedy}`, error_code: reason };
}

/** Errors as clients of this API read them: `code` is the status as a number, `error_code` our reason. */
export function e2bAnswers(unknown: UnknownRoutes): OtherApi["answers"] {
  return {
    refusal: (error, request, logger) => {
      const wire = toWire(error, request.id, logger);
      if (isOauthRoute(request.routeOptions.url))
        return { headers: wire.headers, ...oauthError(wire.status, wire.body.error) };
      const body = bodyOf(wire.status, wire.body.error);
      return { status: body.code, headers: wire.headers, body };
    },
    noRoute: ({ method, url, headers }) => {
      const path = url.split("?")[0] ?? "";
      const client = clientOf(headers["user-agent"]);
      unknown.add(method, path, client);
      return new WrennError("e2b_route_unknown", { method, path, client });
    },
    ignoresUnknownFields: () => true,
  };
}
