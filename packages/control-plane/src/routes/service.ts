import { Type } from "typebox";
import type { App, RouteServices } from "./app.ts";

/** Routes about the server itself; no credentials. */
export function serviceRoutes(app: App, { version }: RouteServices): void {
  app.get(
    "/health",
    {
      schema: {
        summary: "Whether the server is up",
        tags: ["service"],
        response: { 200: Type.Object({ status: Type.Literal("ok"), version: Type.String() }) },
      },
    },
    async () => ({ status: "ok" as const, version }),
  );
}
