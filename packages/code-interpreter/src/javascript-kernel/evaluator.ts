import { Session } from "node:inspector";
import type { Runtime } from "node:inspector";

/** Where values pass from the inspector, which has references only, to this code. */
interface Passage {
  value: unknown;
}

const PASSAGE = "__wrennPassage";

type ReplParameters = Runtime.EvaluateParameterType & { readonly replMode: boolean };

/** How a script ended. */
export type Evaluation =
  | { readonly kind: "value" | "thrown"; readonly value: unknown }
  /** It was terminated. */
  | { readonly kind: "interrupted" };

/**
 * Evaluates scripts as V8's console does: with `await` outside of functions, and declarations that later scripts see and may repeat.
 * Only the inspector offers that.
 */
export class Evaluator {
  readonly #session = new Session();
  readonly #passage: Passage = { value: undefined };
  #passageId = "";

  constructor() {
    this.#session.connect();
    const globals = globalThis as Record<string, unknown>;
    globals[PASSAGE] = this.#passage;
    this.#session.post("Runtime.evaluate", { expression: PASSAGE }, (_, answer) => {
      this.#passageId = answer.result.objectId ?? "";
    });
    Reflect.deleteProperty(globals, PASSAGE);
  }

  /** Does not return before the script waits or ends. A script that is terminated while it waits never ends. */
  async evaluate(expression: string): Promise<Evaluation> {
    const parameters: ReplParameters = { expression, replMode: true, awaitPromise: true };
    return await new Promise((resolve) => {
      this.#session.post("Runtime.evaluate", parameters, (error, answer) => {
        if (error) resolve({ kind: "interrupted" });
        else if (answer.exceptionDetails)
          resolve({
            kind: "thrown",
            value: this.#valueOf(answer.exceptionDetails.exception ?? answer.result),
          });
        else resolve({ kind: "value", value: this.#valueOf(answer.result) });
      });
    });
  }

  #valueOf({ objectId, value, unserializableValue }: Runtime.RemoteObject): unknown {
    const argument: Runtime.CallArgument =
      objectId !== undefined
        ? { objectId }
        : unserializableValue !== undefined
          ? { unserializableValue }
          : { value: value as unknown };
    this.#passage.value = undefined;
    this.#session.post("Runtime.callFunctionOn", {
      objectId: this.#passageId,
      functionDeclaration: "function (value) { this.value = value; }",
      arguments: [argument],
    });
    const passed = this.#passage.value;
    this.#passage.value = undefined;
    if (objectId !== undefined) this.#session.post("Runtime.releaseObject", { objectId });
    return passed;
  }
}
