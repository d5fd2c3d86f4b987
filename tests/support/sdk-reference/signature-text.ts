import { SyntaxKind } from "typescript/unstable/ast";
import type {
  FunctionDeclaration,
  MethodDeclaration,
  Node,
  ParameterDeclaration,
} from "typescript/unstable/ast";

export interface ParameterText {
  readonly name: string;
  /** As it is declared: `name?: type`. */
  readonly text: string;
  readonly type: string;
}

/** The source of a node in one line, without comments. */
export function plainText(node: Node): string {
  return node
    .getText()
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/([([<{]) /g, "$1")
    .replaceAll(/(?:;|,)? ([)\]>}])/g, "$1")
    .replaceAll(/\{(?=\S)/g, "{ ")
    .replaceAll(/(?<=\S)\}/g, " }")
    .replaceAll("{ }", "{}")
    .replace(/^\| /, "");
}

/** @param inferred - the type of a parameter that has a default instead of a declared type. */
export function parametersOf(
  parameters: readonly ParameterDeclaration[],
  inferred: (parameter: ParameterDeclaration) => string,
): readonly ParameterText[] {
  return parameters
    .filter(({ name }) => name.getText() !== "this")
    .map((parameter) => {
      // A pattern names what it takes out of options; readers see one parameter.
      const isPattern = parameter.name.kind !== SyntaxKind.Identifier;
      const name = isPattern ? "options" : parameter.name.getText();
      const isOptional = parameter.questionToken !== undefined || parameter.initializer !== undefined;
      const type = parameter.type ? plainText(parameter.type) : inferred(parameter);
      const rest = parameter.dotDotDotToken ? "..." : "";
      return { name, type, text: `${rest}${name}${isOptional ? "?" : ""}: ${type}` };
    });
}

/** Undefined for constructors. */
export function returnTypeOf(declaration: MethodDeclaration | FunctionDeclaration): string | undefined {
  if ((declaration.kind as SyntaxKind) === SyntaxKind.Constructor) return undefined;
  if (!declaration.type)
    throw new Error(`${declaration.name?.getText() ?? "a function"} has no declared result type`);
  return plainText(declaration.type);
}
