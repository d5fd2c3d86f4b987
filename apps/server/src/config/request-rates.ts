import type { RateLimit, RequestRates } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const RATE = /^(\d{1,7})(?::(\d{1,7}))?$/;
const MS = 1000;

/** How often the API may be called, as far as the environment says. @throws WrennError `invalid_field`. */
export function readRates(env: Readonly<Record<string, string | undefined>>): Partial<RequestRates> {
  const fields = {
    perKey: "WRENN_KEY_RATE",
    perAddress: "WRENN_ADDRESS_RATE",
    creates: "WRENN_CREATE_RATE",
  } as const;
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, name]) => env[name] !== undefined)
      .map(([field, name]) => [field, parseRate(name, env[name] ?? "")]),
  );
}

/** `off`, or how many a second, and after a colon how many at once; without that two seconds' worth. */
function parseRate(field: string, text: string): RateLimit | undefined {
  if (text === "off") return undefined;
  const [, perSecond = "0", burst] = RATE.exec(text) ?? [];
  const rate = { burst: Number(burst ?? 2 * Number(perSecond)), everyMs: MS / Number(perSecond) };
  if (Number(perSecond) < 1 || rate.burst < 1)
    throw new WrennError("invalid_field", {
      field,
      problem: `must be 'off', or requests a second and at once like 500:1000, not '${text}'`,
    });
  return rate;
}
