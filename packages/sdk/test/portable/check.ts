/** The assertions of portable scenarios, which have no module of their runtime's. */

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Compares by value: JSON, and bytes. */
export function equal(actual: unknown, expected: unknown, what = "the value"): void {
  const [one, other] = [textOf(actual), textOf(expected)];
  check(one === other, `${what} is ${one}, not ${other}`);
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise was fulfilled");
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) => (member instanceof Uint8Array ? [...member] : member)) ??
    "undefined"
  );
}
