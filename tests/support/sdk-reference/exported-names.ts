import type { DocComment } from "./doc-comment.ts";
import type { ExportDoc, SignatureDoc } from "./export-doc.ts";

/**
 * An export whose texts name types as they are exported. One that is exported under another name has its declared name in the sources
 * of its folder.
 */
export function withExportedNames(one: ExportDoc, all: readonly ExportDoc[]): ExportDoc {
  const renamed = all.filter(
    ({ name, declaredName, path }) => name !== declaredName && folderOf(path) === folderOf(one.path),
  );
  if (renamed.length === 0) return one;
  const text = (from: string): string =>
    renamed.reduce(
      (result, { name, declaredName }) =>
        result.replaceAll(new RegExp(`(?<![\\w.])${declaredName}(?!\\w)`, "g"), name),
      from,
    );
  const comment = (from: DocComment): DocComment => ({
    ...from,
    text: links(from.text, text),
    throws: from.throws.map((thrown) => links(thrown, text)),
  });
  const signature = (from: SignatureDoc): SignatureDoc => ({
    ...from,
    parameters: from.parameters.map((parameter) => ({
      ...parameter,
      text: text(parameter.text),
      type: text(parameter.type),
    })),
    returns: from.returns === undefined ? undefined : text(from.returns),
    comment: comment(from.comment),
  });
  return {
    ...one,
    comment: comment(one.comment),
    bases: one.bases.map(text),
    implemented: one.implemented.map(text),
    type: text(one.type),
    properties: one.properties.map((property) => ({
      ...property,
      type: text(property.type),
      comment: comment(property.comment),
    })),
    methods: one.methods.map((method) => ({ ...method, signatures: method.signatures.map(signature) })),
  };
}

/** Text of a comment, of which only `{@link …}` names types. */
function links(text: string, rename: (name: string) => string): string {
  return text.replaceAll(/\{@link [^}]*\}/g, rename);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
