// The key of a server that asks for one: asked for once, kept by the tab, forgotten on request.

import { forget, keep, key } from "./api.js";
import { say } from "./dom.js";

const dialog = () => document.getElementById("key");

/** Listen to the dialog and the button; `again` is called once there is another key, or none. */
export function listen(again) {
  document.getElementById("key-form").addEventListener("submit", () => {
    keep(document.getElementById("token").value.trim());
    document.getElementById("token").value = "";
    again();
  });
  document.getElementById("forget").addEventListener("click", () => {
    forget();
    again();
  });
}

/** Ask for a key, for the server wants one and this one it does not know. */
export function askForKey() {
  if (dialog().open) return;
  const told =
    key() === null
      ? "This server asks who is there. Without a key it tells whether it is ready, and no more."
      : "This key opens nothing here: it is mistyped, over, or was taken back.";
  say(document.getElementById("key-told"), told);
  forget();
  dialog().showModal();
}

/** Show the button that forgets, where there is something to forget. */
export function showForget() {
  document.getElementById("forget").hidden = key() === null;
}
