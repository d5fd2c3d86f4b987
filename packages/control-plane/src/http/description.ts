import swaggerUi from "@fastify/swagger-ui";
import type { App } from "./app.ts";

/** The description of the API, and a page that shows it. `whole` is what it describes. */
export async function registerDescribeRoutes(app: App, whole: App): Promise<void> {
  await app.register(swaggerUi, { routePrefix: "/docs" });
  app.get("/openapi.json", { schema: { hide: true } }, async () => whole.swagger());
  app.get(
    "/openapi.yaml",
    { schema: { hide: true } },
    async (_request, reply) => await reply.type("application/yaml").send(whole.swagger({ yaml: true })),
  );
}
