import * as documents from "./documents.ts";
import type { DocumentFields } from "./document.ts";
import { programVerbs } from "./program-verbs.ts";
import type { JsonAnswer, VerbReference } from "./verb-reference.ts";

const object = (name: string, fields: DocumentFields): JsonAnswer => ({ form: "object", name, fields });
const list = (name: string, fields: DocumentFields): JsonAnswer => ({ form: "list", name, fields });

const removed: DocumentFields = { id: ["string", "id of what is gone"] };
const { capsule, checkpoint, template, templateDetails, build, team, member, key, host, profile } = documents;

/** Commands of `@wrenn/client` by their words. */
export const verbReference: Readonly<Record<string, VerbReference>> = {
  login: {
    examples: ["wrenn login --url https://wrenn.example.org", 'printf %s "$KEY" | wrenn login --key'],
  },
  logout: { examples: ["wrenn logout --profile work"] },
  whoami: {
    examples: ["wrenn whoami"],
    json: object("Whoami", {
      url: ["string", "address of the server"],
      version: ["string", "version of the server"],
      source: ["string", "where address and credentials come from"],
      profile: ["string or null", "profile in use"],
      credentials: ["string", "`API key` or `login`"],
      key: ["string or null", "first characters of the key"],
    }),
  },
  open: {
    examples: ["wrenn open", "wrenn open --print"],
    json: object("DashboardAddress", {
      url: ["string", "its address; one that logs in is printed to a terminal only"],
      kind: ["string", "`first_admin`, `login` or `plain`"],
      opened: ["boolean", "whether a browser was started with it"],
    }),
  },
  "config ls": { examples: ["wrenn config ls"], json: list("Profile", profile) },
  "config use": { examples: ["wrenn config use work"] },
  "config set": {
    examples: ["wrenn config set detach_keys ctrl-a,d", "wrenn config set detach_keys none --profile work"],
  },
  "config rm": { examples: ["wrenn config rm old"] },

  ps: {
    examples: ["wrenn ps --status running -l stage=test", "wrenn ps -q"],
    json: list("Capsule", capsule),
  },
  create: {
    examples: ["wrenn create --name web -m 1G", "wrenn create -t python:3 --idle-timeout 10m --auto-resume"],
    json: object("Capsule", capsule),
  },
  inspect: { examples: ["wrenn inspect web"], json: object("Capsule", capsule) },
  update: {
    examples: ["wrenn update web --name api --idle-timeout 1h", "wrenn update web --remove-label stage"],
    json: object("Capsule", capsule),
  },
  extend: { examples: ["wrenn extend web --by 1h"], json: object("Capsule", capsule) },
  rm: { examples: ["wrenn rm web", "wrenn rm --force -"], json: list("Removed", removed) },
  pause: { examples: ["wrenn pause web"], json: object("Capsule", capsule) },
  resume: { examples: ["wrenn resume web"], json: object("Capsule", capsule) },
  fork: { examples: ["wrenn fork web -n 3"], json: list("Capsule", capsule) },

  ...programVerbs,

  "checkpoint ls": { examples: ["wrenn checkpoint ls web"], json: list("Checkpoint", checkpoint) },
  "checkpoint create": {
    examples: ["wrenn checkpoint create web --name before-update"],
    json: object("Checkpoint", checkpoint),
  },
  "checkpoint rm": { examples: ["wrenn checkpoint rm web before-update"], json: list("Removed", removed) },
  restore: { examples: ["wrenn restore web before-update"], json: object("Capsule", capsule) },

  "template ls": { examples: ["wrenn template ls --scope public"], json: list("Template", template) },
  "template inspect": {
    examples: ["wrenn template inspect web"],
    json: object("InspectedTemplate", documents.inspectedTemplate),
  },
  "template import": {
    examples: [
      "wrenn template import python:3.12 -t py",
      "WRENN_REGISTRY_PASSWORD=$TOKEN wrenn template import registry.example.com/team/app:v1 --registry-user reader",
    ],
    json: object("Build", build),
  },
  "template tag": {
    examples: ["wrenn template tag web stable --version 2", "wrenn template tag web stable --remove"],
    json: object("TemplateTag", {
      name: ["string", "name of the template"],
      tag: ["string", "the tag"],
      version: ["number or null", "version that has it; null when it was taken away"],
    }),
  },
  "template publish": {
    examples: ["wrenn template publish web"],
    json: object("TemplateDetails", templateDetails),
  },
  "template unpublish": {
    examples: ["wrenn template unpublish web"],
    json: object("TemplateDetails", templateDetails),
  },
  "template rm": {
    examples: ["wrenn template rm web", "wrenn template rm web --version 1"],
    json: list("RemovedTemplate", {
      name: ["string", "its name"],
      version: ["number?", "the version, where only one was deleted"],
    }),
  },
  "snapshot ls": { examples: ["wrenn snapshot ls"], json: list("Template", template) },
  "snapshot create": {
    examples: ["wrenn snapshot create web web:stable --overwrite"],
    json: object("Template", template),
  },
  "snapshot rm": {
    examples: ["wrenn snapshot rm web"],
    json: list("RemovedTemplate", {
      name: ["string", "its name"],
      version: ["number?", "the version, where only one was deleted"],
    }),
  },
  build: {
    examples: [
      "wrenn build -t web:stable .",
      "wrenn build -t web --build-arg VERSION=3 --secret id=token,env=TOKEN -f deploy/Wrennfile .",
      "wrenn build -t web --from-step 4 .",
      "wrenn build -t web < recipe",
    ],
    json: object("Build", build),
  },

  "team ls": { examples: ["wrenn team ls"], json: list("Team", team) },
  "team show": { examples: ["wrenn team show"], json: object("Team", team) },
  "team switch": { examples: ["wrenn team switch research"], json: object("Team", team) },
  "team members": { examples: ["wrenn team members"], json: list("Member", member) },
  "key ls": { examples: ["wrenn key ls"], json: list("Key", key) },
  "key create": {
    examples: ["wrenn key create --name ci --scope read,run --expires 90d > key"],
    json: object("Key", key),
  },
  "key rm": { examples: ["wrenn key rm ci"], json: list("Removed", removed) },
  "host ls": { examples: ["wrenn host ls"], json: list("Host", host) },
  "host register": { examples: ["wrenn host register > token"], json: object("Host", host) },
  "host drain": { examples: ["wrenn host drain host-k3m9"], json: list("Host", host) },
  "host undrain": { examples: ["wrenn host undrain host-k3m9"], json: list("Host", host) },
  "host rm": { examples: ["wrenn host rm host-k3m9 --force"], json: list("Removed", removed) },
  completion: { examples: ["wrenn completion bash > ~/.local/share/bash-completion/completions/wrenn"] },
};
