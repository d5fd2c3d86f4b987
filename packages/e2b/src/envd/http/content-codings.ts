import { HttpRefusal } from "./http-errors.ts";

const NOT_ACCEPTABLE = 406;
const MOST_CODINGS = 32;

/**
 * The coding that an answer is sent in. gzip is for clients that ask for it by name alone: those that offer what they happen to know,
 * such as `fetch`, are better served without the work. A part of a file is sent plain.
 *
 * @throws HttpRefusal 406 when neither will do.
 */
export function chooseCoding(acceptEncoding: string | undefined, isPart: boolean): "identity" | "gzip" {
  const weights = weightsOf(acceptEncoding ?? "");
  const any = weights.get("*");
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? any ?? 0;
  const identity = weights.get("identity") ?? any;
  if (identity === 0) {
    if (gzip > 0) return "gzip";
    throw new HttpRefusal(NOT_ACCEPTABLE, "no acceptable encoding: gzip and identity are possible");
  }
  if (isPart) return "identity";
  const isNamed = weights.has("gzip") || weights.has("x-gzip");
  const others = [...weights].filter(
    ([coding, weight]) => weight > 0 && !["gzip", "x-gzip", "identity", "*"].includes(coding),
  );
  if (!isNamed || gzip === 0 || others.length > 0) return "identity";
  return identity !== undefined && identity > gzip ? "identity" : "gzip";
}

function weightsOf(header: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const item of header.split(",").slice(0, MOST_CODINGS)) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (coding === "") continue;
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = given === undefined ? 1 : Number(given);
    weights.set(coding, Number.isFinite(weight) ? weight : 0);
  }
  return weights;
}
