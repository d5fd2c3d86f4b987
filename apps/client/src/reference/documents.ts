import type { Build, CapsuleInfo, Checkpoint, Template, TemplateDetails } from "@wrenn/sdk";
import type { TeamDocument } from "../accounts/teams.ts";
import type { ProfileDocument } from "../verbs/config.ts";
import type { HostDocument } from "../verbs/host.ts";
import type { KeyDocument } from "../verbs/key.ts";
import type { MemberDocument } from "../verbs/team.ts";
import type { InspectedTemplate } from "../verbs/template-inspect.ts";
import type { FieldsOf } from "./document.ts";

/* What commands print under `--json`, member by member. */

export const capsule: FieldsOf<CapsuleInfo> = {
  id: ["string", "`cl-` and 25 characters"],
  name: ["string?", "its name"],
  status: [
    "string",
    "`pending`, `starting`, `running`, `paused`, `hibernated`, `missing`, `stopped`, `error`",
  ],
  template: ["string", "what it was started from"],
  vcpus: ["number", "virtual CPUs"],
  memoryMib: ["number", "memory, MiB"],
  diskMib: ["number", "size of its disk, MiB"],
  idleTimeoutMs: ["number", "idle milliseconds after which it is paused; 0: never"],
  maxLifetimeMs: ["number?", "milliseconds of a run at most"],
  lifetimeEndsAt: ["time?", "when the present run ends"],
  onLifetimeEnd: ["string", "`pause`, `pause_disk` or `destroy`"],
  autoResume: ["boolean", "whether its use resumes it"],
  user: ["string?", "user of commands that name none; absent for root"],
  cwd: ["string?", "directory of commands that name none"],
  envNames: ["strings?", "names of its default environment; not in lists"],
  hostIp: ["string?", "address on its host"],
  createdAt: ["time", "when it was created"],
  startedAt: ["time?", "when its present run began"],
  lastActiveAt: ["time?", "when it was used last"],
  updatedAt: ["time", "when its state changed last"],
  problem: ["string?", "why it failed or stands still"],
  progress: ["object?", "of one that waits for its template: `phase`, `doneBytes` and `totalBytes`"],
  memoryKept: ["boolean?", "of a paused one: whether a resume goes on with its memory"],
  health: ["string?", "of a running one: `ok`, or `not_answering` while its guest agent does not answer"],
  diskFull: ["boolean?", "of a running one: `true` while less than 1 % of its disk is free"],
  diskAtBoot: ["string?", "`clean`, or `checked` when the disk had to be repaired"],
  metadata: ["pairs", "its labels, and versions of what runs it"],
};

export const checkpoint: FieldsOf<Checkpoint> = {
  id: ["string", "such as `g3`"],
  kind: ["string", "`checkpoint`, or `pause` for the last two pauses"],
  name: ["string?", "its name"],
  createdAt: ["time", "the moment that it keeps"],
  memoryBytes: ["number", "size of the changed memory"],
  isDiskOnly: ["boolean", "going back to it boots its disk"],
  stoppedMs: ["number?", "milliseconds for which the capsule stood still"],
};

export const template: FieldsOf<Template> = {
  name: ["string", "its name"],
  type: ["string", "`base`: a disk; `snapshot`: a machine with memory"],
  vcpus: ["number?", "virtual CPUs"],
  memoryMib: ["number?", "memory, MiB"],
  sizeBytes: ["number", "bytes on disk"],
  createdAt: ["time", "when it was made"],
  isPlatform: ["boolean", "every team may use it"],
  isPublic: ["boolean", "every team may start capsules from it"],
  version: ["number?", "version that a create without a tag takes"],
  tags: ["strings", "tags of this version"],
  reference: ["string", "what `create --template` takes"],
  metadata: ["pairs", "its labels"],
};

export const templateDetails: FieldsOf<TemplateDetails> = {
  name: ["string", "its name"],
  isPlatform: ["boolean", "of the platform"],
  isPublic: ["boolean", "every team may start capsules from it"],
  isOwn: ["boolean", "whether the team may change it"],
  versions: {
    text: "newest first",
    items: {
      version: ["number", "its number"],
      tags: ["strings", "its tags"],
      vcpus: ["number", "virtual CPUs"],
      memoryMib: ["number", "memory, MiB"],
      sizeBytes: ["number", "bytes on disk"],
      createdAt: ["time", "when it was made"],
      stopSignal: ["string?", "`STOPSIGNAL` of its image or recipe"],
      exposedPorts: ["strings", "`EXPOSE` of its image or recipe: `8080/tcp`"],
      labels: ["pairs", "`LABEL` of its image or recipe"],
    },
  },
  tags: {
    text: "every tag",
    items: {
      tag: ["string", "the word"],
      version: ["number", "which version has it"],
      taggedAt: ["time", "since when"],
    },
  },
};

const { versions } = templateDetails;

/** What `wrenn template inspect` prints. */
export const inspectedTemplate: FieldsOf<InspectedTemplate> = {
  ...templateDetails,
  versions: {
    ...versions,
    items: {
      ...versions.items,
      build: ["object?", "the build that made it, as `wrenn build --json` prints it"],
    },
  },
};

export const build: FieldsOf<Build> = {
  id: ["string", "`bld-` and 25 characters"],
  name: ["string", "`name` or `name:tag` of the template"],
  baseTemplate: ["string", "template that it begins with"],
  recipe: ["strings", "its instructions"],
  recipeText: ["string?", "the recipe, where a text was built"],
  healthcheck: ["string?", "command that says that it is ready"],
  vcpus: ["number", "virtual CPUs"],
  memoryMib: ["number", "memory, MiB"],
  status: ["string", "`pending`, `running`, `success`, `failed`, `cancelled`, `interrupted`"],
  isOver: ["boolean", "whether it has ended"],
  currentStep: ["number", "0 before the first"],
  totalSteps: ["number", "how many there are"],
  steps: {
    text: "steps that have ended",
    items: {
      step: ["number", "from 1"],
      phase: ["string", "`pre-build`, `recipe` or `post-build`"],
      cmd: ["string", "the instruction"],
      stdout: ["string", "its output"],
      stderr: ["string", "its output"],
      exitCode: ["number?", "its exit code"],
      isOk: ["boolean", "whether it succeeded"],
      isCached: ["boolean", "whether its result was there from an earlier build"],
      durationMs: ["number", "milliseconds"],
    },
  },
  droppedLines: ["number", "lines of output beyond the limit"],
  durations: [
    "object?",
    "milliseconds of the work besides the steps: `importMs`, `settleMs`, `freezeMs`, `smokeTestMs`, as far as they are known",
  ],
  error: ["string?", "why it failed"],
  reason: ["string?", "entry of the error catalogue"],
  createdAt: ["time", "when it was asked for"],
  startedAt: ["time?", "when it began"],
  completedAt: ["time?", "when it ended"],
};

export const team: FieldsOf<TeamDocument> = {
  id: ["string", "`team-` and 25 characters"],
  name: ["string", "its name"],
  slug: ["string", "its name in references of templates"],
  role: ["string", "yours: `owner`, `admin` or `member`"],
  createdAt: ["time", "when it was made"],
  isCurrent: ["boolean", "whether commands act in it"],
};

export const member: FieldsOf<MemberDocument> = {
  userId: ["string", "`user-` and 25 characters"],
  name: ["string", "name of the person"],
  email: ["string", "address of the person"],
  role: ["string", "`owner`, `admin` or `member`"],
  joinedAt: ["time", "since when"],
};

export const key: FieldsOf<KeyDocument> = {
  id: ["string", "`key-` and 25 characters"],
  name: ["string", "what it is for"],
  prefix: ["string", "its first characters"],
  scopes: ["strings", "`read`, `run`, `manage`, `ports`, `egress`"],
  creatorEmail: ["string?", "who made it; in lists"],
  createdAt: ["time", "when it was made"],
  lastUsedAt: ["time?", "when it was used last"],
  expiresAt: ["time?", "when it ends"],
  key: ["string?", "the key itself, of a new one only"],
};

export const host: FieldsOf<HostDocument> = {
  id: ["string", "`host-` and 25 characters"],
  type: ["string", "`regular`: of the platform; `byoc`: of one team"],
  status: ["string", "`pending`, `online`, `unreachable`, `draining` or `offline`"],
  teamId: ["string?", "its team"],
  provider: ["string?", "who runs the machine"],
  availabilityZone: ["string?", "where it is"],
  arch: ["string?", "architecture of its CPUs"],
  cpuCores: ["number?", "CPUs"],
  memoryMib: ["number?", "memory, MiB"],
  diskGb: ["number?", "disk, 10⁹ bytes"],
  address: ["string?", "where control planes reach it; absent for the server's own machine"],
  lastHeartbeatAt: ["time?", "its last sign of life"],
  createdAt: ["time", "when it was announced"],
  registrationToken: ["string?", "with which the machine joins, of a new one only"],
};

export const profile: FieldsOf<ProfileDocument> = {
  name: ["string", "its name"],
  url: ["string", "address of its server"],
  credentials: ["string or null", "`API key` or `login`; null when logged out"],
  isCurrent: ["boolean", "whether it is used when none is named"],
  detachKeys: ["string or null", "keys that leave a terminal, or `none`; null: not set"],
};
