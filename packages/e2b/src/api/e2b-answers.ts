import { toWire } from "@wrenn/control-plane";
import type { OtherApi } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import { clientOf } from "./unknown-routes.ts";
import type { UnknownRoutes } from "./unknown-routes.ts";

/** Statuses that clients of this API tell apart, where the platform's own differ. */
const statuses: Readonly<Partial<Record<string, number>>> = {
  // A limit of the team: clients raise their rate limit error.
  quota_exceeded: 429,
  // Clients take 404 for "no such sandbox", and 400 for a mistake in the request.
  invalid_id: 404,
};

/** Errors as clients of this API read them: `code` is the status as a number, `error_code` our reason. */
export function e2bAnswers(unknown: UnknownRoutes): OtherApi["answers"] {
  return {
    refusal: (error, request, logger) => {
      const wire = toWire(error, request.id, logger);
      const { message, reason, remedy } = wire.body.error;
      const status = statuses[reason] ?? wire.status;
      return {
        status,
        headers: wire.headers,
        body: { code: status, message: `${message}. ${remedy}`, error_code: reason },
      };
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
