import { pageOf, RETURN_TO_KEY } from "../http/page.ts";

/**
 * Works with the login's cookie only to get an access token; whatever decides carries that token, which pages of other origins do not have.
 * What comes from the device is shown as text.
 */
const SCRIPT = `
const by = (id) => document.getElementById(id);
const here = new URL(location.href), note = document.querySelector("output");
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
  show("enter");
};
const code = () => by("code").value;
by("login").addEventListener("submit", doing(async (form) => {
  const {email, password} = form.elements;
  await loggedIn(await post("/v1/auth/login", {email: email.value, password: password.value}));
}));
by("enter").addEventListener("submit", doing(async () => {
  const asked = await post("/v1/auth/device/lookup", {user_code: code()});
  const rows = [
    ["Device", asked.client_name], ["Address", asked.address + (asked.same_network ? " (your network)" : " (not your network)")],
    ["Program", asked.user_agent], ["Asked", new Date(asked.created_at).toLocaleString()],
    ["Account", by("who").textContent], ["Team", asked.team_name],
    ["Gets", asked.api_key ? "an API key that may " + asked.api_key.scopes.join(", ") + (asked.api_key.expires_in_sec ? ", for " + asked.api_key.expires_in_sec + " s" : ", without an end") : "a login that may do all that you may"],
  ];
  by("facts").replaceChildren(...rows.flatMap(([name, value]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = name;
    dd.textContent = value;
    return [dt, dd];
  }));
  show("ask");
}));
for (const [id, done] of [["approve", "Approved. Go back to the device."], ["deny", "Denied. The device gets nothing."]])
  by(id).addEventListener("click", doing(async () => {
    await post("/v1/auth/device/" + id, {user_code: code()});
    by("done").textContent = done;
    show("done");
  }));
by("code").value = here.searchParams.get("user_code") ?? "";
fetch("/v1/auth/providers").then((answer) => answer.json()).then((providers) => {
  for (const {name, title} of providers) {
    const link = document.createElement("a");
    link.href = "/auth/oauth/" + encodeURIComponent(name) + "?intent=login";
    link.textContent = "Sign in with " + title;
    link.addEventListener("click", () => sessionStorage.setItem("${RETURN_TO_KEY}", "/device?" + here.searchParams));
    by("login").append(link);
  }
}).catch(() => {});
post("/v1/auth/refresh").then(loggedIn, () => show("login"));
`;

/** Asks a person to log in, shows which device asks for a login, and lets them approve or deny it. */
export const devicePage = pageOf(
  "Log in on a device",
  `<main><form id="login" hidden>
<p>Log in first. Then you decide about the device.</p>
<label>Email <input name="email" type="email" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form>
<form id="enter" hidden><p>You are logged in as <b id="who"></b>.</p>
<label>Code that the device shows <input id="code" required maxlength="32" autocomplete="off" spellcheck="false"></label>
<button>Continue</button></form>
<section id="ask" hidden>
<p>Approve only what you began yourself a moment ago. Whoever sent you a code would act in your name.</p>
<dl id="facts"></dl>
<button id="approve">Approve</button> <button id="deny">Deny</button></section>
<p id="done" hidden></p></main><output role="alert"></output>`,
  SCRIPT,
);
