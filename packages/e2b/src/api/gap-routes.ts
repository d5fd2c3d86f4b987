import type { App } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { HTTPMethods } from "fastify";

const methods: HTTPMethods[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Parts of the API that this server does not offer, on purpose: each answers by its name. */
const gaps = {
  volumes: ["/volumes", "/volumes/*", "/volumecontent/*"],
  secrets: ["/secrets", "/secrets/*"],
} as const;

/** Answers routes of what is not offered. */
export function registerGaps(app: App): void {
  for (const [feature, paths] of Object.entries(gaps))
    for (const url of paths)
      app.route({
        method: methods,
        url,
        config: { scope: "read" },
        handler: async () => {
          throw new WrennError("e2b_not_offered", { feature });
        },
      });
}
