export { openDatabase } from "./open-database.ts";
export type { Database, DatabaseOptions } from "./open-database.ts";
export { findApiKey, insertApiKey, touchApiKeys } from "./queries/api-keys.ts";
export { failRunningOperations, finishOperation, insertOperation } from "./queries/operations.ts";
export {
  changeSandbox,
  findSandbox,
  insertSandbox,
  listLiveSandboxes,
  listSandboxes,
  touchSandbox,
} from "./queries/sandboxes.ts";
export type { NewSandbox, SandboxChange, SandboxRow } from "./queries/sandboxes.ts";
export { deleteTemplate, findTemplate, listTeamTemplates, putTemplate } from "./queries/templates.ts";
export type { TemplateRow } from "./queries/templates.ts";
export { insertTeam, teamExists } from "./queries/teams.ts";
export type { OperationKind, SandboxStatus, Schema } from "./schema.ts";
