import { pageOf, RETURN_TO_KEY } from "../http/page.ts";

/**
 * Browsers leave the login's cookie out where another site led here (SameSite=Strict), so the page first asks itself whether
 * there is one; the second time it does not.
 */
const SCRIPT = `
const again = new URL(location.href);
const first = !again.searchParams.has("again");
again.searchParams.set("again", "1");
const post = (path, body) => fetch(path, {method: "POST", headers: body ? {"content-type": "application/json"} : {}, body});
const form = document.forms[0], note = document.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  note.textContent = "";
  const {email, password} = form.elements;
  try {
    const answer = await post("/v1/auth/login", JSON.stringify({email: email.value, password: password.value}));
    if (answer.ok) return location.replace(again);
    note.textContent = (await answer.json()).error.message;
  } catch {
    note.textContent = "the server does not answer";
  }
});
fetch("/v1/auth/providers").then((answer) => answer.json()).then((providers) => {
  for (const {name, title} of providers) {
    const link = document.createElement("a");
    link.href = "/auth/oauth/" + encodeURIComponent(name) + "?intent=login";
    link.textContent = "Sign in with " + title;
    link.addEventListener("click", () => sessionStorage.setItem("${RETURN_TO_KEY}", again.pathname + again.search));
    form.after(link);
  }
}).catch(() => {});
if (first) post("/v1/auth/refresh").then((answer) => answer.ok && location.replace(again), () => {});
`;

/** Asks a person to log in, and then comes back to the same address. */
export const signInPage = pageOf(
  "Sign in to open this port",
  `<p>It is private: members of its team may use it.</p><form>
<label>Email <input name="email" type="email" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button> <output role="alert"></output></form>`,
  SCRIPT,
);

/** The person is logged in, but not in a team that the capsule belongs to; or there is no such capsule. */
export const noSuchPortPage = pageOf(
  "There is no such port",
  "<p>None of your teams has a capsule of this name. Ask its team for an invitation, or for a link to the port.</p>",
);
