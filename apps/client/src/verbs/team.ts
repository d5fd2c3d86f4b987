import { accountCall } from "../accounts/account-call.ts";
import { pickTeam, readTeams } from "../accounts/teams.ts";
import type { TeamDocument } from "../accounts/teams.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { ageText } from "../output/describe-capsule.ts";
import { renderDetails } from "../output/details.ts";
import { renderTable } from "../output/table.ts";

/** A member as this program prints it. */
export interface MemberDocument {
  readonly userId: string;
  readonly name: string;
  readonly email: string;
  readonly role: string;
  readonly joinedAt: Date;
}

/** Lists the teams of the person; `*` marks the one that commands act in. */
export async function list(context: Context): Promise<void> {
  const teams = await readTeams(context);
  context.output.data(teams, () =>
    renderTable<TeamDocument>(
      [
        { title: "", value: ({ isCurrent }) => (isCurrent ? "*" : "") },
        { title: "id", value: ({ id }) => id },
        { title: "slug", value: ({ slug }) => slug },
        { title: "name", value: ({ name }) => name },
        { title: "role", value: ({ role }) => role },
      ],
      teams,
    ),
  );
}

/** Shows a team: the one that commands act in, unless another is named. */
export async function show(context: Context, reference: string | undefined): Promise<void> {
  const team = await teamOf(context, reference);
  context.output.data(team, () =>
    renderDetails([
      ["id", team.id],
      ["name", team.name],
      ["slug", team.slug],
      ["your role", team.role],
      ["created", team.createdAt.toISOString()],
      ["current", team.isCurrent ? "yes" : "no"],
    ]),
  );
}

/** Lists the members of the team that commands act in. */
export async function members(context: Context): Promise<void> {
  const { id } = await teamOf(context, undefined);
  const found = await accountCall(context, "GET /v1/teams/{id}/members", { path: { id } });
  const people = found.map(({ user_id: userId, name, email, role, joined_at: joinedAt }): MemberDocument => ({
    userId,
    name,
    email,
    role,
    joinedAt: new Date(joinedAt),
  }));
  const now = Date.now();
  context.output.data(people, () =>
    renderTable<MemberDocument>(
      [
        { title: "email", value: ({ email }) => email },
        { title: "name", value: ({ name }) => name },
        { title: "role", value: ({ role }) => role },
        { title: "joined", value: ({ joinedAt }) => `${ageText(joinedAt, now)} ago` },
        { title: "id", value: ({ userId }) => userId },
      ],
      people,
    ),
  );
}

/** Lets the login act in another team from now on: the stored one, so that later commands do, too. */
export async function switchTeam(context: Context, reference: string): Promise<void> {
  const team = await teamOf(context, reference);
  const { profile = "" } = await context.connection();
  const wrenn = await context.wrenn();
  const { limits } = await wrenn.info({ signal: context.signal });
  const { token } = await accountCall(context, "POST /v1/auth/switch-team", { body: { team_id: team.id } });
  const expiresAt = Date.now() + limits.accessTokenMs;
  await context.profiles.update((state) => {
    const entry = state.profiles[profile];
    if (!entry?.login)
      throw new ClientError(
        "credentials",
        "not_logged_in",
        `profile ${profile} is logged out`,
        "Run `wrenn login`.",
      );
    // The last capsule is one of the other team.
    const { lastCapsule: _, ...rest } = entry;
    const login = { ...entry.login, accessToken: token, expiresAt };
    return { ...state, profiles: { ...state.profiles, [profile]: { ...rest, login } } };
  });
  context.output.data({ ...team, isCurrent: true }, () => `${team.id}\n`);
}

async function teamOf(context: Context, reference: string | undefined): Promise<TeamDocument> {
  const teams = await readTeams(context);
  if (reference !== undefined) return pickTeam(reference, teams);
  const current = teams.find(({ isCurrent }) => isCurrent);
  if (current) return current;
  throw new ClientError(
    "notFound",
    "team_unknown",
    "the login acts in no team of yours",
    "Run `wrenn team switch` with one of `wrenn team ls`.",
  );
}
