import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { renderErrorReference } from "./error-reference.ts";
import { renderEventReference } from "./event-reference.ts";
import { readPublicSurface } from "./sdk-reference/public-surface.ts";
import { renderSdkReference } from "./sdk-reference/render.ts";
import { projectRoot } from "./sources.ts";

const events = join(projectRoot, "docs/reference/events.md");
await writeFile(join(projectRoot, "docs/reference/errors.md"), renderErrorReference());
await writeFile(events, renderEventReference());
await writeFile(join(projectRoot, "docs/reference/sdk.md"), renderSdkReference(readPublicSurface()));
// Its tables are aligned like those of every document.
await promisify(execFile)(join(projectRoot, "node_modules/.bin/oxfmt"), [events]);
