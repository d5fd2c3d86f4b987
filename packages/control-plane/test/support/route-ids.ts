import assert from "node:assert/strict";
import { furniture } from "./furnished-host-agent.ts";
import type { FurnishedTeam } from "./furnished-teams.ts";

/** Ids of a team's things that parameters of a path may stand for. */
export function idSource({ ids }: FurnishedTeam, url: string): (parameter: string) => readonly string[] {
  const root = url.replace("/admin/", "/").split("/")[2] ?? "";
  const own: Readonly<Record<string, readonly string[]>> = {
    checkpoint: [ids.checkpoint],
    selector: [furniture.pid, furniture.tag],
    upload: [ids.upload],
    port: ["8080", "1"],
    link: [ids.link],
    name: [ids.template],
    version: [ids.version],
    user: [ids.user],
    invitation: [ids.invitation],
    tag: [ids.tag],
    provider: [ids.provider, "github"],
    session: [ids.session],
    "": ["index.css"],
  };
  const roots: Readonly<Record<string, string>> = {
    builds: ids.build,
    capsules: ids.capsule,
    teams: ids.team,
    hosts: ids.host,
    channels: ids.channel,
    users: ids.user,
    "api-keys": ids.key,
  };
  return (parameter) => {
    if (parameter === "id") return [roots[root] ?? ids.received];
    return own[parameter] ?? assert.fail(`nothing for :${parameter} of ${url}`);
  };
}
