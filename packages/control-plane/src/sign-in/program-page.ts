import { pageOf, RETURN_TO_KEY } from "../http/page.ts";
import type { HtmlPage } from "../http/page.ts";

/**
 * Uses the login's cookie only to get an access token. The decision carries that token, which pages of other origins do not have. The
 * server checks the address again and answers where to go.
 */
const SCRIPT = `
const by = (id) => document.getElementById(id);
const here = new URL(location.href), note = document.querySelector("output");
const next = here.searchParams.get("next"), version = here.searchParams.get("cliVersion") ?? "";
const program = /^[0-9A-Za-z.+-]{1,32}$/.test(version) ? {next, version} : {next};
let token = "";
const post = async (path, body) => {
  const headers = {...(body ? {"content-type": "application/json"} : {}), ...(token ? {authorization: "Bearer " + token} : {})};
  const answer = await fetch(path, {method: "POST", headers, body: body && JSON.stringify(body)});
  const text = await answer.text();
  const json = text ? JSON.parse(text) : {};
  if (!answer.ok) throw Object.assign(new Error(json.error.message), {status: answer.status});
  return json;
};
const show = (id) => { for (const part of document.querySelectorAll("main > *")) part.hidden = part.id !== id; };
const doing = (work) => async (event) => {
  event.preventDefault();
  note.textContent = "";
  try { await work(event.target); } catch (error) {
    if (error.status === 401 && token) { token = ""; show("login"); }
    note.textContent = error.status ? error.message : "the server does not answer";
  }
};
const loggedIn = async (answer) => {
  token = answer.token;
  by("who").textContent = answer.email;
  by("program").textContent = "E2B CLI" + (program.version ? " " + program.version : "");
  by("address").textContent = new URL(next).href;
  show("ask");
};
by("login").addEventListener("submit", doing(async (form) => {
  const {email, password} = form.elements;
  await loggedIn(await post("/v1/auth/login", {email: email.value, password: password.value}));
}));
by("approve").addEventListener("click", doing(async () => {
  location.replace((await post("/v1/auth/program/approve", program)).redirect_to);
}));
by("deny").addEventListener("click", doing(async () => {
  location.replace((await post("/v1/auth/program/deny", {next})).redirect_to);
}));
fetch("/v1/auth/providers").then((answer) => answer.json()).then((providers) => {
  for (const {name, title} of providers) {
    const link = document.createElement("a");
    link.href = "/auth/oauth/" + encodeURIComponent(name) + "?intent=login";
    link.textContent = "Sign in with " + title;
    link.addEventListener("click", () => sessionStorage.setItem("${RETURN_TO_KEY}", here.pathname + here.search));
    by("login").append(link);
  }
}).catch(() => {});
post("/v1/auth/refresh").then(loggedIn, () => show("login"));
`;

/** Asks a person to log in, shows which program asks and where its login is sent, and lets them approve or deny it. */
export const programPage = pageOf(
  "Log in to the command line",
  `<main><form id="login" hidden>
<p>Log in first. Then you decide about the program.</p>
<label>Email <input name="email" type="email" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form>
<section id="ask" hidden>
<p>Approve only if you started the program a moment ago. It can then do everything that you can.</p>
<dl><dt>Program</dt><dd id="program"></dd><dt>Sent to</dt><dd id="address"></dd><dt>Account</dt><dd id="who"></dd></dl>
<button id="approve">Approve</button> <button id="deny">Deny</button></section></main><output role="alert"></output>`,
  SCRIPT,
);

/** The address is not one of the browser's own machine. */
export const refusedProgramPage = pageOf(
  "This address is refused",
  "<p>A login is sent only to a program on this computer. The link names another address, or none. Start the log-in again in the program.</p>",
);

/** Where the program sends the browser when it has its login, or has failed. */
export function programOutcomePage(isLoggedIn: boolean): HtmlPage {
  return isLoggedIn ? successPage : failurePage;
}

const successPage = pageOf("You are logged in", "<p>Go back to the terminal. You can close this page.</p>");
const failurePage = pageOf(
  "You are not logged in",
  "<p>The terminal shows why. You can close this page.</p>",
);
