import { parse } from "acorn";
import type { ExportNamedDeclaration, ImportDeclaration, ImportExpression, Node, Program } from "acorn";
import { transformSync } from "amaro";

/** Name of the function that cells import modules with. */
export const IMPORT_FUNCTION = "__wrennImport";

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Makes a script that V8 evaluates as a console does: TypeScript becomes JavaScript, and imports become calls, which scripts may have.
 *
 * @throws SyntaxError for TypeScript that is none. Other code that cannot be parsed is returned as it is: V8 explains it best.
 */
export function prepareCell(code: string, language: string): string {
  const script = language === "typescript" ? compile(code) : code;
  if (!/\b(?:import|export)\b/.test(script)) return script;
  const program = parsed(script);
  if (!program) return script;
  const edits: Edit[] = [];
  for (const node of program.body) collectStatement(node, script, edits);
  collectCalls(program, edits);
  return edited(script, edits);
}

function compile(code: string): string {
  try {
    return transformSync(code, { mode: "transform", sourceMap: false }).code;
  } catch (error) {
    const { message, snippet = "" } = error as { message?: string; snippet?: string };
    throw new SyntaxError(`${message ?? String(error)}${snippet === "" ? "" : `\n${snippet}`}`, {
      cause: error,
    });
  }
}

function parsed(script: string): Program | undefined {
  try {
    return parse(script, { ecmaVersion: "latest", sourceType: "module", allowReturnOutsideFunction: true });
  } catch {
    return undefined;
  }
}

function collectStatement(node: Node, script: string, edits: Edit[]): void {
  if (node.type === "ImportDeclaration") edits.push(importCall(node as ImportDeclaration));
  else if (node.type === "ExportNamedDeclaration") {
    const { declaration, start, end } = node as ExportNamedDeclaration;
    // What a cell declares is known to the next one anyway.
    edits.push(declaration ? { start, end: declaration.start, text: "" } : { start, end, text: "" });
  } else if (node.type === "ExportDefaultDeclaration") {
    const keyword = /^export\s+default\b/.exec(script.slice(node.start))?.[0] ?? "";
    edits.push({ start: node.start, end: node.start + keyword.length, text: "" });
  }
}

function importCall({ specifiers, source, attributes, start, end }: ImportDeclaration): Edit {
  const pairs = attributes.map(
    ({ key, value }) =>
      `${JSON.stringify(key.type === "Identifier" ? key.name : key.value)}: ${JSON.stringify(value.value)}`,
  );
  const options = pairs.length === 0 ? "" : `, { with: { ${pairs.join(", ")} } }`;
  const call = `await ${IMPORT_FUNCTION}(${JSON.stringify(source.value)}${options});`;
  let namespace: string | undefined;
  const names: string[] = [];
  for (const one of specifiers)
    if (one.type === "ImportNamespaceSpecifier") namespace = one.local.name;
    else if (one.type === "ImportDefaultSpecifier") names.push(`default: ${one.local.name}`);
    else {
      const { imported, local } = one;
      const name = imported.type === "Identifier" ? imported.name : JSON.stringify(imported.value);
      names.push(`${name}: ${local.name}`);
    }
  const pattern = `const { ${names.join(", ")} } = `;
  if (namespace === undefined) return { start, end, text: names.length === 0 ? call : pattern + call };
  const whole = `const ${namespace} = ${call}`;
  return { start, end, text: names.length === 0 ? whole : `${whole} ${pattern}${namespace};` };
}

/** Calls of `import()` in the script: scripts of an inspector have no importer of their own. */
function collectCalls(value: unknown, edits: Edit[]): void {
  if (Array.isArray(value)) {
    for (const one of value) collectCalls(one, edits);
    return;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return;
  const node = value as Node;
  if (node.type === "ImportExpression") {
    const { start } = node as ImportExpression;
    edits.push({ start, end: start + "import".length, text: IMPORT_FUNCTION });
  }
  for (const child of Object.values(node)) collectCalls(child, edits);
}

function edited(script: string, edits: readonly Edit[]): string {
  let result = script;
  for (const { start, end, text } of edits.toSorted((a, b) => b.start - a.start))
    result = result.slice(0, start) + text + result.slice(end);
  return result;
}
