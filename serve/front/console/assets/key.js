// The key of a server that asks for one: asked for once, kept by the tab, forgotten on request.

import { forget, keep, key } from "./api.js";
import { say } from "./dom.js";

const dialog = () => document.getElementById("key");
let dismissed = false; // who closed it looks at the page as it is without a key

/** Listen to the dialog and the button; `again` is called once there is another key, or none. */
export function listen(again) {
  document.getElementById("key-form").addEventListener("submit", () => {
    keep(document.getElementById("token").value.trim());
    document.getElementById("token").value = "";
    again();
  });
  dialog().addEventListener("cancel", () => {
    dismissed = true;
    showForget();
  });
  document.getElementById("forget").addEventListener("click", () => {
    if (key() === null) return open(null);
    forget();
    location.reload(); // and with it all that was told to who had it
  });
}

/** Ask for a key: the server does not know `refused` (null is none). Where another is kept by now, that one is tried. */
export function askForKey(refused) {
  if (dialog().open || key() !== refused || (refused === null && dismissed)) return;
  open(refused);
}

function open(refused) {
  const told =
    refused === null
      ? "This server asks who is there. Without a key it tells whether it is ready, and no more."
      : "This key opens nothing here: it is mistyped, over, or was taken back.";
  say(document.getElementById("key-told"), told);
  forget();
  dialog().showModal();
}

/** Show the button that forgets, where there is something to forget, or that asks again, where who was asked said no. */
export function showForget() {
  const button = document.getElementById("forget");
  button.hidden = key() === null && !dismissed;
  say(button, key() === null ? "Enter a key" : "Forget key");
}
