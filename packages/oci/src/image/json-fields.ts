import { WrennError } from "@wrenn/core";

/** What a JSON document of an image has in place of what its format says. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/**
 * Reads a document of an image.
 *
 * @param what - names the document in the error, such as `its configuration`.
 * @throws WrennError `image_unsupported` where the document is not what its format says.
 */
export function readDocument<T>(image: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const problem = `${what} is invalid: ${error.message}`;
    throw new WrennError("image_unsupported", { image, problem }, { cause: error });
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads bounded bytes as JSON. @throws FormatError */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new FormatError("it is not JSON", { cause: error });
  }
}

/** Reads bounded bytes as a JSON object. @throws FormatError */
export function parseObject(bytes: Uint8Array): JsonObject {
  return objectOf(parseJson(bytes), "it");
}

/** @throws FormatError */
export function objectOf(value: unknown, name: string): JsonObject {
  if (!isObject(value)) throw new FormatError(`${name} is not an object`);
  return value;
}

/** An absent object is empty: Go writes `null` for it. @throws FormatError */
export function optionalObject(value: unknown, name: string): JsonObject {
  return value === undefined || value === null ? {} : objectOf(value, name);
}

/** An absent text is empty. @throws FormatError when it is longer than `limit` characters or has a NUL, which no program can be given. */
export function textOf(value: unknown, name: string, limit: number): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new FormatError(`${name} is not a text`);
  if (value.length > limit) throw new FormatError(`${name} is longer than ${limit} characters`);
  if (value.includes("\0")) throw new FormatError(`${name} has a NUL`);
  if (!value.isWellFormed()) throw new FormatError(`${name} has half of a character`);
  return value;
}

/** An absent list is empty. @throws FormatError */
export function listOf(value: unknown, name: string, limit: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new FormatError(`${name} is not a list`);
  if (value.length > limit) throw new FormatError(`${name} has more than ${limit} items`);
  return value;
}

/** @throws FormatError */
export function textsOf(value: unknown, name: string, limits: TextListLimits): readonly string[] {
  return listOf(value, name, limits.items).map((item, at) => textOf(item, `${name}[${at}]`, limits.length));
}

export interface TextListLimits {
  readonly items: number;
  readonly length: number;
}

/** A whole number that is not negative. @throws FormatError */
export function sizeOf(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new FormatError(`${name} is not a size`);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
