import type { Device, Theme } from "./take-picture.ts";

/** Where the pictures of the guide are. */
export const PICTURES = "docs/images";

interface GuidePicture {
  readonly file: string;
  /** Name of what it shows, in scenes.ts. */
  readonly scene: string;
  readonly device: Device;
  readonly theme: Theme;
}

const picture = (scene: string, theme: Theme, device: Device = "desktop"): GuidePicture => ({
  file: `dashboard-${scene}${device === "phone" ? "-phone" : ""}.png`,
  scene,
  device,
  theme,
});

/** Those that README.md and docs/guides/dashboard.md show. */
export const guidePictures: readonly GuidePicture[] = [
  picture("welcome", "light"),
  picture("capsules", "light"),
  picture("launch", "light"),
  picture("capsule-terminal", "dark"),
  picture("capsule-ports", "light"),
  picture("capsule-timeline", "light"),
  picture("capsule-network", "light"),
  picture("team", "light"),
  picture("capsule-terminal", "dark", "phone"),
  // Last: what it shows takes time.
  picture("capsule-metrics", "dark"),
];
