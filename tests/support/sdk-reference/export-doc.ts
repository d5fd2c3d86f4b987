import type { DocComment } from "./doc-comment.ts";
import type { ParameterText } from "./signature-text.ts";

export interface PropertyDoc {
  readonly name: string;
  readonly type: string;
  readonly isOptional: boolean;
  readonly comment: DocComment;
}

export interface SignatureDoc {
  readonly typeParameters: string;
  readonly parameters: readonly ParameterText[];
  /** Undefined: a constructor. */
  readonly returns: string | undefined;
  readonly comment: DocComment;
}

export interface MethodDoc {
  readonly name: string;
  readonly isStatic: boolean;
  /** Overloads, in their order. */
  readonly signatures: readonly SignatureDoc[];
}

/** What the package exports under one name. */
export interface ExportDoc {
  readonly name: string;
  /** In the module that declares it. */
  readonly declaredName: string;
  /** Of its source, relative to the package's `src`. */
  readonly path: string;
  readonly kind: "class" | "interface" | "function" | "type" | "constant";
  readonly comment: DocComment;
  /** What it extends. */
  readonly bases: readonly string[];
  /** What it extends or implements: comments of properties that have none are there. */
  readonly implemented: readonly string[];
  readonly typeParameters: string;
  readonly properties: readonly PropertyDoc[];
  readonly methods: readonly MethodDoc[];
  /** The type of an alias or constant. */
  readonly type: string;
}
