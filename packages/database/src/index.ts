export { backupEmbedded, restoreEmbedded } from "./backup/embedded-backup.ts";
export type { ClusterOptions, RestoreResult } from "./backup/embedded-backup.ts";
export type { BackupSummary } from "./backup/write-backup.ts";
export { openDatabase } from "./open-database.ts";
export type { Database, DatabaseOptions } from "./open-database.ts";
export { deleteApiKey, findApiKey, insertApiKey, listApiKeys, touchApiKeys } from "./queries/api-keys.ts";
export type { ApiKeyRow, KeyGrant } from "./queries/api-keys.ts";
export {
  failForgottenOperations,
  failOrphanedOperations,
  finishOperation,
  insertOperations,
} from "./queries/operations.ts";
export {
  deleteControlPlane,
  deleteSilentControlPlanes,
  touchControlPlane,
} from "./queries/control-planes.ts";
export {
  addHostTag,
  changeHostStatus,
  deleteHost,
  findHost,
  insertHost,
  listHosts,
  listHostTags,
  markSilentHosts,
  putLocalHost,
  registerHost,
  removeHostTag,
  setHostCertificate,
  touchHost,
} from "./queries/hosts.ts";
export type { HostRow, HostSize } from "./queries/hosts.ts";
export { findRefreshToken, putHostToken, succeedRefreshToken, takeHostToken } from "./queries/host-tokens.ts";
export { listHostLoads, lockHost } from "./queries/placement.ts";
export type { HostLoad } from "./queries/placement.ts";
export type { HostStatus, HostType } from "./host-tables.ts";
export {
  changeCapsule,
  findAnyCapsule,
  findCapsule,
  insertCapsule,
  insertCapsules,
  endCapsulesOf,
  findCapsules,
  listCapsules,
  listHostCapsules,
  listSettledCapsules,
  markMissing,
  moveCapsule,
  setCapsuleNetwork,
  startCapsules,
  touchCapsule,
} from "./queries/capsules.ts";
export type { NewCapsule, CapsuleChange, CapsuleRow, StartedCapsule } from "./queries/capsules.ts";
export { findIdempotencyKey, insertIdempotencyKeys, pruneIdempotencyKeys } from "./queries/idempotency.ts";
export { lockTeamUse } from "./queries/quotas.ts";
export type { TeamUse } from "./queries/quotas.ts";
export {
  countByStatus,
  listDailyUsage,
  pruneUsageSamples,
  rollUpUsage,
  sampleUsage,
  usageNow,
  usageSeries,
  USAGE_SAMPLE_SEC,
} from "./queries/usage.ts";
export type { DayOfUse, UseBucket } from "./queries/usage.ts";
export { isPlace } from "./queries/page.ts";
export type { Page } from "./queries/page.ts";
export { listPortAccess, setPortAccess } from "./queries/ports.ts";
export { ensureSecret } from "./queries/secrets.ts";
export { discardTemplate, forgetDiscarded, listDiscarded } from "./queries/discarded-templates.ts";
export {
  deleteTemplate,
  findTemplate,
  listHostTemplates,
  listAllTemplates,
  listTeamTemplates,
  putTemplate,
  replaceTemplate,
} from "./queries/templates.ts";
export type { NewTemplate, TemplateOfTeam, TemplateRow } from "./queries/templates.ts";
export { findTeam, insertTeam, teamExists } from "./queries/teams.ts";
export { pruneAudit, pruneLogins } from "./queries/account-upkeep.ts";
export {
  listOwnedTeams,
  markTeamDeleted,
  markUserDeleted,
  otherAdminExists,
  searchAcquaintances,
} from "./queries/deletion.ts";
export { putOneTimeToken, takeOneTimeToken } from "./queries/one-time-tokens.ts";
export { deleteIdentity, findIdentityOwner, insertIdentity, listIdentities } from "./queries/identities.ts";
export type { IdentityRow } from "./queries/identities.ts";
export { findSignInAttempt, insertSignInAttempt, takeSignInAttempt } from "./queries/sign-in-attempts.ts";
export { ensureSigningKey } from "./queries/signing-keys.ts";
export {
  changeSessionTeam,
  findSession,
  findSessionOfToken,
  insertRefreshToken,
  insertSession,
  revokeSession,
  revokeSessions,
  useRefreshToken,
} from "./queries/sessions.ts";
export type { LiveSession } from "./queries/sessions.ts";
export {
  activateUser,
  adminExists,
  changeUser,
  deleteWaitingUsers,
  findUser,
  findUserByEmail,
  insertMembership,
  insertProvenUser,
  insertUser,
  listMemberships,
  lockUser,
} from "./queries/users.ts";
export type { UserRow } from "./queries/users.ts";
export type { ApiKeyScope, OperationKind, CapsuleRowStatus, Schema } from "./schema.ts";
export type { Role } from "./account-tables.ts";
export { insertAudit, listAudit } from "./queries/audit-log.ts";
export type { AuditRow, NewAuditRow } from "./queries/audit-log.ts";
export {
  changeRole,
  deleteMembership,
  findRole,
  listMembers,
  listUserTeams,
  renameTeam,
} from "./queries/members.ts";
export type { Member, TeamOfUser } from "./queries/members.ts";
export { deleteInvitation, listInvitations, putInvitation, takeInvitation } from "./queries/invitations.ts";
export type { InvitationRow } from "./queries/invitations.ts";
export { pingDatabase } from "./queries/ping.ts";
export { eventBounds, pruneEvents, readEvents } from "./queries/events.ts";
export type { EventRow } from "./queries/events.ts";
export type { Actor } from "./event-tables.ts";
export type { Listening } from "./listener.ts";
export {
  changeChannel,
  deleteChannel,
  findChannel,
  findChannelNamed,
  insertChannel,
  listChannels,
} from "./queries/channels.ts";
export type { ChannelRow } from "./queries/channels.ts";
export { claimDeliveries, settleDelivery } from "./queries/deliveries.ts";
export type { Delivery, DeliveryOutcome } from "./queries/deliveries.ts";
export { claimMails, insertMail, listMails, pruneMails, settleMail } from "./queries/mails.ts";
export type { MailRow, WaitingMail } from "./queries/mails.ts";
export { deleteKeysOf, listAllUsers, lockAdministrators, setAdministrator } from "./queries/admin-users.ts";
export type { ListedUser } from "./queries/admin-users.ts";
export {
  enableByoc,
  findListedTeam,
  listAllTeams,
  lockTeamLimits,
  setTeamLimits,
} from "./queries/admin-teams.ts";
export type { ListedTeam, TeamLimits } from "./queries/admin-teams.ts";
