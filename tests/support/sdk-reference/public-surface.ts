import { join } from "node:path";
import { NodeBuilderFlags, SymbolFlags } from "typescript/unstable/sync";
import type { Project, Symbol as TypeScriptSymbol, Type } from "typescript/unstable/sync";
import { SyntaxKind } from "typescript/unstable/ast";
import type {
  ClassDeclaration,
  FunctionDeclaration,
  InterfaceDeclaration,
  MethodDeclaration,
  Node,
  TypeAliasDeclaration,
} from "typescript/unstable/ast";
import { projectRoot } from "../sources.ts";
import { openProject } from "../typescript-project.ts";
import { docCommentOf } from "./doc-comment.ts";
import type { DocComment } from "./doc-comment.ts";
import type { ExportDoc, MethodDoc, PropertyDoc, SignatureDoc } from "./export-doc.ts";
import { withExportedNames } from "./exported-names.ts";
import { parametersOf, plainText, returnTypeOf } from "./signature-text.ts";
import type { ParameterText } from "./signature-text.ts";

const sdkSources = join(projectRoot, "packages/sdk/src");

/** Characters of a type that a reader takes in. */
const LONG_TYPE = 500;

type ClassOrInterface = ClassDeclaration | InterfaceDeclaration;

const CONFIG = join(sdkSources, "../tsconfig.reference.json");

/**
 * Everything that `packages/sdk/src/index.ts` exports, in its order.
 *
 * @param sources - texts that are read instead of files, by their path in that folder: another package, for tests.
 */
export function readPublicSurface(sources: Readonly<Record<string, string>> = {}): readonly ExportDoc[] {
  const settings = {
    extends: "../../tsconfig.json",
    compilerOptions: { incremental: false, lib: ["esnext", "dom", "dom.iterable"] },
    files: ["src/index.ts"],
    include: [],
  };
  const texts = Object.entries(sources).map(([path, text]): [string, string] => [
    join(sdkSources, path),
    text,
  ]);
  using opened = openProject(CONFIG, new Map([[CONFIG, JSON.stringify(settings)], ...texts]));
  const { project } = opened;
  const index = project.program.getSourceFile(join(sdkSources, "index.ts"));
  const module = index && project.checker.getSymbolAtLocation(index);
  if (!module) throw new Error("packages/sdk/src/index.ts is not a module");
  const exported = project.checker.getExportsOfModule(module);
  const names = new Set(exported.map(({ name }) => name));
  const isPublic = ({ type }: ParameterText): boolean =>
    namesIn(type).every((name) => names.has(name) || isGlobal(project, name));
  const found = exported.map((symbol) => exportOf(project, symbol, names));
  return found
    .map((one) => withExportedNames(one, found))
    .map((one) => ({
      ...one,
      // What takes parts of the package is constructed by the package only.
      methods: one.methods.filter(
        ({ name, signatures }) =>
          name !== "constructor" || signatures.every(({ parameters }) => parameters.every(isPublic)),
      ),
    }));
}

function isGlobal(project: Project, name: string): boolean {
  return project.checker.resolveName(name, SymbolFlags.Type) !== undefined;
}

/** Names of types in the text of one. */
export function namesIn(type: string): readonly string[] {
  return [
    ...new Set([...type.replaceAll(/"[^"]*"/g, "").matchAll(/(?<![\w.])[A-Z]\w*/g)].map(([name]) => name)),
  ];
}

function exportOf(project: Project, exported: TypeScriptSymbol, names: ReadonlySet<string>): ExportDoc {
  const isAlias = (exported.flags & SymbolFlags.Alias) !== 0;
  const symbol = isAlias ? project.checker.getAliasedSymbol(exported) : exported;
  const declarations = symbol.declarations
    .map((handle) => handle.resolve(project))
    .filter((node) => node !== undefined);
  const [first] = declarations;
  if (!first) throw new Error(`${exported.name} has no declaration`);
  const common = {
    name: exported.name,
    declaredName: symbol.name,
    path: first.getSourceFile().fileName.slice(sdkSources.length + 1),
    comment: commentOf(first),
    bases: [],
    implemented: [],
    typeParameters: "",
    properties: [],
    methods: [],
    type: "",
  };
  if (first.kind === SyntaxKind.ClassDeclaration || first.kind === SyntaxKind.InterfaceDeclaration) {
    const declaration = first as ClassOrInterface;
    const bases = basesOf(project, declaration, names);
    return {
      ...common,
      kind: first.kind === SyntaxKind.ClassDeclaration ? "class" : "interface",
      bases: bases.shown,
      implemented: (declaration.heritageClauses ?? []).flatMap((clause) => clause.types.map(plainText)),
      typeParameters: typeParametersOf(declaration.typeParameters),
      properties: [declaration, ...bases.hidden].flatMap((one) => propertiesOf(project, one)),
      methods: [declaration, ...bases.hidden].flatMap((one) => methodsOf(project, one)),
    };
  }
  if (first.kind === SyntaxKind.FunctionDeclaration) {
    const functions = declarations as FunctionDeclaration[];
    const overloads = functions.length > 1 ? functions.filter(({ body }) => !body) : functions;
    const signatures = overloads.map((one) => signatureOf(project, one));
    return { ...common, kind: "function", methods: [{ name: exported.name, isStatic: true, signatures }] };
  }
  if (first.kind === SyntaxKind.TypeAliasDeclaration) {
    const alias = first as TypeAliasDeclaration;
    const parameters = new Set((alias.typeParameters ?? []).map(({ name }) => name.getText()));
    const text = alias.type.getText();
    const isReadable = namesIn(text).every(
      (name) => names.has(name) || parameters.has(name) || isGlobal(project, name),
    );
    const typeParameters = typeParametersOf(alias.typeParameters);
    if (isReadable) return { ...common, kind: "type", typeParameters, type: text };
    const resolved = project.checker.getDeclaredTypeOfSymbol(symbol);
    const resolvedText = typeText(project, resolved);
    // A union of many objects is known by the fields that all of them have.
    return resolvedText.includes("{") && resolvedText.length > LONG_TYPE
      ? {
          ...common,
          kind: "interface",
          typeParameters,
          properties: sharedPropertiesOf(project, resolved, names),
        }
      : { ...common, kind: "type", typeParameters, type: resolvedText };
  }
  const type = project.checker.getTypeOfSymbol(symbol);
  // The comment of a constant precedes the statement that declares it.
  return {
    ...common,
    kind: "constant",
    comment: commentOf(first.parent.parent),
    type: type ? project.checker.typeToString(type) : "",
  };
}

function sharedPropertiesOf(
  project: Project,
  type: Type,
  names: ReadonlySet<string>,
): readonly PropertyDoc[] {
  return project.checker.getPropertiesOfType(type).map((property) => {
    const declaration = property.declarations[0]?.resolve(project);
    const declared = (declaration as { readonly type?: Node } | undefined)?.type;
    const isNamed =
      declared && namesIn(plainText(declared)).every((name) => names.has(name) || name === "Date");
    const its = project.checker.getTypeOfSymbol(property);
    const text = its ? typeText(project, its) : "unknown";
    return {
      name: property.name,
      type: isNamed
        ? plainText(declared)
        : text.length > LONG_TYPE
          ? text.includes("{")
            ? "object"
            : "string"
          : text,
      isOptional: (property.flags & SymbolFlags.Optional) !== 0,
      comment: declaration ? commentOf(declaration) : docCommentOf(""),
    };
  });
}

function typeText(project: Project, type: Type): string {
  const flags = NodeBuilderFlags.NoTruncation | NodeBuilderFlags.InTypeAlias;
  return project.checker.typeToString(type, undefined, flags);
}

/** What a class or interface extends. Of what is not exported, the members belong to the class itself for its users. */
function basesOf(
  project: Project,
  declaration: ClassOrInterface,
  names: ReadonlySet<string>,
): { readonly shown: readonly string[]; readonly hidden: readonly ClassOrInterface[] } {
  const shown: string[] = [];
  const hidden: ClassOrInterface[] = [];
  const clauses = (declaration.heritageClauses ?? []).filter(
    ({ token }) => token === SyntaxKind.ExtendsKeyword,
  );
  for (const base of clauses.flatMap(({ types }) => types)) {
    const found = declarationOf(project, base.expression);
    if (!found || names.has(base.expression.getText())) {
      shown.push(plainText(base));
      continue;
    }
    const above = basesOf(project, found, names);
    shown.push(...above.shown);
    hidden.push(found, ...above.hidden);
  }
  return { shown, hidden };
}

/** The class or interface of the package that a name stands for. */
function declarationOf(project: Project, name: Node): ClassOrInterface | undefined {
  const symbol = project.checker.getSymbolAtLocation(name);
  if (!symbol) return undefined;
  const isAlias = (symbol.flags & SymbolFlags.Alias) !== 0;
  const declared = isAlias ? project.checker.getAliasedSymbol(symbol) : symbol;
  const node = declared.declarations[0]?.resolve(project);
  const isOwn = node?.getSourceFile().fileName.startsWith(`${sdkSources}/`) ?? false;
  const isKnown =
    node?.kind === SyntaxKind.ClassDeclaration || node?.kind === SyntaxKind.InterfaceDeclaration;
  return isOwn && isKnown ? (node as ClassOrInterface) : undefined;
}

/** Types that the package declares by what it needs of an object, and what users pass. */
const PASSED_AS: ReadonlyMap<string, string> = new Map([["SharedClient", "Wrenn"]]);

function propertiesOf(project: Project, declaration: ClassOrInterface): readonly PropertyDoc[] {
  const properties: PropertyDoc[] = [];
  for (const member of declaration.members) {
    const isProperty =
      member.kind === SyntaxKind.PropertyDeclaration ||
      member.kind === SyntaxKind.PropertySignature ||
      member.kind === SyntaxKind.GetAccessor;
    const name = nameOf(member);
    const comment = commentOf(member);
    if (!isProperty || name === undefined || isHidden(member, comment)) continue;
    const { type, postfixToken } = member as { readonly type?: Node; readonly postfixToken?: Node };
    const isOptional = postfixToken?.kind === SyntaxKind.QuestionToken;
    const text = type ? withoutUndefined(plainText(type), isOptional) : inferredType(project, member);
    properties.push({
      name,
      type: PASSED_AS.get(text) ?? text,
      isOptional,
      comment,
    });
  }
  return properties;
}

/** Optional properties say twice that they may be undefined, for callers with `exactOptionalPropertyTypes`. */
function withoutUndefined(type: string, isOptional: boolean): string {
  if (!isOptional || !type.endsWith(" | undefined")) return type;
  const rest = type.slice(0, -" | undefined".length);
  return /^\([^()]*(?:\([^()]*\)[^()]*)*\)$/.test(rest) ? rest.slice(1, -1) : rest;
}

function methodsOf(project: Project, declaration: ClassOrInterface): readonly MethodDoc[] {
  const byName = new Map<string, { readonly isStatic: boolean; readonly nodes: MethodDeclaration[] }>();
  for (const member of declaration.members) {
    const isConstructor = member.kind === SyntaxKind.Constructor;
    if (
      !isConstructor &&
      member.kind !== SyntaxKind.MethodDeclaration &&
      member.kind !== SyntaxKind.MethodSignature
    )
      continue;
    const name = isConstructor ? "constructor" : nameOf(member);
    if (name === undefined || isHidden(member, commentOf(member))) continue;
    const isStatic = hasModifier(member, SyntaxKind.StaticKeyword);
    const key = `${isStatic ? "static " : ""}${name}`;
    const known = byName.get(key) ?? { isStatic, nodes: [] };
    known.nodes.push(member as MethodDeclaration);
    byName.set(key, known);
  }
  return [...byName].map(([key, { isStatic, nodes }]) => {
    const overloads = nodes.length > 1 ? nodes.filter(({ body }) => !body) : nodes;
    return {
      name: key.replace(/^static /, ""),
      isStatic,
      signatures: overloads.map((one) => signatureOf(project, one)),
    };
  });
}

function signatureOf(project: Project, declaration: MethodDeclaration | FunctionDeclaration): SignatureDoc {
  return {
    typeParameters: typeParametersOf(declaration.typeParameters),
    parameters: parametersOf(declaration.parameters, (parameter) => inferredType(project, parameter)),
    returns: returnTypeOf(declaration),
    comment: commentOf(declaration),
  };
}

function inferredType(project: Project, node: Node): string {
  const type = project.checker.getTypeAtLocation(node);
  const widened = type && (project.checker.getBaseTypeOfLiteralType(type) ?? type);
  return widened ? project.checker.typeToString(widened) : "unknown";
}

function typeParametersOf(parameters: readonly Node[] | undefined): string {
  return parameters && parameters.length > 0 ? `<${parameters.map(plainText).join(", ")}>` : "";
}

/** Undefined for private members. */
function nameOf(member: Node): string | undefined {
  const { name } = member as { readonly name?: Node };
  const text = name?.getText();
  return text === undefined || text.startsWith("#") ? undefined : text;
}

/** Members that are internal, or computed from constants that are not exported. */
function isHidden(member: Node, comment: DocComment): boolean {
  const name = nameOf(member) ?? "";
  return (
    comment.isInternal ||
    hasModifier(member, SyntaxKind.PrivateKeyword) ||
    hasModifier(member, SyntaxKind.ProtectedKeyword) ||
    (name.startsWith("[") && !name.startsWith("[Symbol."))
  );
}

function hasModifier(node: Node, kind: SyntaxKind): boolean {
  const { modifiers } = node as { readonly modifiers?: readonly Node[] };
  return modifiers?.some((modifier) => modifier.kind === kind) ?? false;
}

function commentOf(node: Node): DocComment {
  return docCommentOf(node.getSourceFile().text.slice(node.getFullStart(), node.getStart()));
}
