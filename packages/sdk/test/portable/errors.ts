import { check, equal, rejection } from "./check.ts";
import type { Scenario } from "./scenario.ts";

export const errorScenarios: readonly Scenario[] = [
  {
    name: "an unknown option is refused by its name",
    run: async ({ sdk: { Capsule, isWrennError }, connection }) => {
      const error = await rejection(Capsule.create({ ...connection, memory: 512 } as object));
      check(isWrennError(error, "unknown_option"), String(error));
      equal(error.details?.["option"], "memory");
    },
  },
  {
    name: "a refusal has code, message, remedy and request id, and is recognised as JSON",
    run: async ({ sdk: { Capsule, isWrennError }, connection }) => {
      const error = await rejection(Capsule.get("cl-0000000000000000000000000", connection));
      check(isWrennError(error, "not_found") && error instanceof Error, String(error));
      equal(error.status, 404);
      check(error.message !== "" && (error.remedy ?? "") !== "", "message and remedy are set");
      check((error.requestId ?? "").startsWith("req-"), `the request id is ${error.requestId}`);
      const copy: unknown = JSON.parse(JSON.stringify(error));
      check(isWrennError(copy, "not_found"), "its JSON is recognised");
      equal(copy.requestId, error.requestId);
      check(
        !isWrennError(new Error("x")) && !isWrennError({ code: "not_found" }),
        "others are not recognised",
      );
    },
  },
  {
    name: "a server that is not there is reported",
    run: async ({ sdk: { Capsule, isWrennError }, connection }) => {
      const error = await rejection(
        Capsule.get("x", { ...connection, url: "http://127.0.0.1:9", retries: 0 }),
      );
      check(isWrennError(error, "connection_failed"), String(error));
      check(error.message.includes("http://127.0.0.1:9"), error.message);
    },
  },
];
