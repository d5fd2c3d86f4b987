export { makeContext } from "./make-context.ts";
export { PackageDownloads } from "./package-downloads.ts";
export { resolveTemplate } from "./resolve-template.ts";
export type { TemplateInputs } from "./resolve-template.ts";
export { listDefinitions, readDefinition } from "./template-definition.ts";
export type { TemplateDefinition } from "./template-definition.ts";
