import { Check } from "typebox/schema";
import { buildSockets } from "../../src/builds/build-sockets.ts";
import { socketRoutes } from "../../src/create-control-plane.ts";
import { serverMessages } from "../../src/openapi/describe-sockets.ts";
import type { DescribedSocket } from "../../src/openapi/describe-sockets.ts";

const unread = { log: async () => await Promise.reject(new Error("no build is read here")) };
const routes: readonly DescribedSocket[] = [...socketRoutes, ...buildSockets(unread)];

/** A message of the server, when no schema of its route allows it. */
export function undescribedMessage(path: string, text: string): readonly string[] {
  const route = routes.find(({ root = "capsules", path: below }) =>
    new RegExp(`^/v1/(admin/)?${root}/[^/]+/${below.replaceAll(/:\w+/g, "[^/]+")}$`).test(
      path.split("?")[0] ?? "",
    ),
  );
  if (!route) return [`no route of ${path}: ${text}`];
  const message: unknown = JSON.parse(text);
  return serverMessages(route).some((schema) => Check(schema, message)) ? [] : [text];
}
