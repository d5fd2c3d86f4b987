import type { Capsule, CapsuleInfo } from "@wrenn/sdk";

/** What a capsule's page shows, by the last part of its address. */
export const capsuleViews = [
  { name: "", title: "Terminal" },
  { name: "ports", title: "Ports" },
  { name: "processes", title: "Processes" },
  { name: "logs", title: "Logs" },
  { name: "metrics", title: "Metrics" },
  { name: "timeline", title: "Timeline" },
  { name: "network", title: "Network" },
  { name: "settings", title: "Settings" },
] as const;

export type CapsuleView = (typeof capsuleViews)[number]["name"];

/** The view of an address; undefined where there is none of this name. */
export function capsuleView(name: string | undefined): CapsuleView | undefined {
  return capsuleViews.find((view) => view.name === (name ?? ""))?.name;
}

/** Props of each view. */
export interface ViewProps {
  readonly handle: Capsule;
  readonly capsule: CapsuleInfo;
}
