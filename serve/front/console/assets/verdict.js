// The answer to the first question of whoever opens the page: is it up, and is it what git asks for? `verdict` is pure.

import { copyable, fill, h, moment, reason, say, shape } from "./dom.js";
import { list, short } from "./words.js";

const NAMED = 4; // models that a sentence names

/** What stands at the top for what is known: {kind, word, told}. */
export function verdict({ lost, ready, models, doing, trouble }) {
  if (lost)
    return {
      kind: "bad",
      word: "No answer",
      told: `The server can’t be reached. This page tries again by itself${ready ? "; what is below is from before" : ""}.`,
    };
  if (!ready) return { kind: "idle", word: "Asking the server …", told: "" };
  if (ready.stopping)
    return {
      kind: "warn",
      word: "Stopping",
      told: "It was told to end: it finishes what it took, and takes no new clients.",
    };
  if (!models) return alone(ready);
  const live = Object.keys(models.models).sort();
  const failure = models.failure;
  if (live.length === 0) return failure ? nothing(failure) : starting(doing);
  const dead = Object.values(ready.models ?? {})
    .map((one) => one.reason)
    .filter(Boolean);
  if (dead.length > 0) return { kind: "bad", word: "Not ready", told: `${sentence(dead.join("; "))}` };
  if (failure) return behind(failure, live);
  if (!same(models.desired, models.live))
    return {
      kind: "busy",
      word: "Serving, and switching",
      told: `${subject(live)} while a new release is made ready. ${progress(doing)}`,
    };
  if (trouble > 0.01)
    return {
      kind: "warn",
      word: "Serving, with errors",
      told: `${subject(live)}, but ${(trouble * 100).toFixed(trouble < 0.1 ? 1 : 0)} % of the last requests failed on the server’s side.`,
    };
  return { kind: "good", word: "Serving", told: `${subject(live)}, as git asks.` };
}

function alone(ready) {
  return ready.ready
    ? { kind: "good", word: "Ready", told: "Every live model answers. What it serves is told to who has a key." }
    : {
        kind: "bad",
        word: "Not ready",
        told: "Not every live model answers, or none is live yet. Why is told to who has a key.",
      };
}

function nothing(failure) {
  return {
    kind: "bad",
    word: "Not serving",
    told: `No release is live: the one git asks for failed (${failure.code}).`,
  };
}

function starting(doing) {
  return { kind: "busy", word: "Starting", told: `The first release is made ready. ${progress(doing)}` };
}

function behind(failure, live) {
  const what =
    failure.code === "fell_back"
      ? "The newest release failed after it went live, and this one is back"
      : "The release git asks for could not go live";
  return { kind: "warn", word: "Serving the release before", told: `${what}. ${subject(live)} as before.` };
}

function progress(doing) {
  return doing ? sentence(`${doing.told}${doing.progress ? `, ${doing.progress}` : ""}`) : "";
}

function subject(live) {
  if (live.length > NAMED) return `${live.length} models answer`;
  return `${list(live)} ${live.length === 1 ? "answers" : "answer"}`;
}

function sentence(told) {
  return `${told.charAt(0).toUpperCase()}${told.slice(1)}${/[.!?…]$/.test(told) ? "" : "."}`;
}

/** Whether two pins name the same digests. */
export function same(one, other) {
  const names = Object.keys(one ?? {});
  return (
    Boolean(one && other) &&
    names.length === Object.keys(other).length &&
    names.every((name) => one[name] === other[name])
  );
}

/** Show it: on the page, in the title, in the icon of the tab. */
export function showVerdict(found) {
  const target = document.getElementById("verdict");
  fill(target, found, ({ kind, word, told }) => [
    h("h1", { class: `word ${kind}` }, shape(kind), h("span", {}, word)),
    told ? h("p", { class: "told" }, told) : null,
  ]);
  say(document.querySelector("title"), `${found.word} · Pinion`);
  const icon = document.getElementById("icon");
  const file = `${document.body.dataset.files}/${{ good: "good", busy: "good", idle: "good", warn: "warn", bad: "bad" }[found.kind]}.svg`;
  if (icon.getAttribute("href") !== file) icon.setAttribute("href", file);
}

/** What failed, where something did: its code, its reason, what to do about it, and the command that leaves it behind. */
export function showTrouble(models, attempts) {
  const failure = models?.failure ?? null;
  const { tries = 1 } = attempts?.at(-1) ?? {};
  const found = failure && { ...failure, tries, commit: models.release?.commit ?? null };
  fill(document.getElementById("trouble"), found, trouble);
}

function trouble(failure) {
  if (failure === null) return null;
  const tried = failure.tries > 1 ? `, tried ${failure.tries} times` : "";
  const leave = failure.commit ? checkout(failure.commit) : null;
  return h(
    "div",
    { class: "trouble" },
    h("h2", {}, shape("bad"), "Last release failed: ", h("code", {}, failure.code)),
    reason(failure.message),
    h("p", { class: "aside" }, moment(failure.at), `${tried}. `, mend(failure.code)),
    leave
      ? h("p", { class: "back" }, "To leave it behind and keep what is live:", copyable(leave, leave, "command"))
      : null,
  );
}

const MENDS = {
  pin_unreadable:
    "Check models.dvc: it is missing, half-written, or has conflict marks. “git checkout” of a revision that was live brings it back.",
  pin_too_large: "Raise the artifact limits of this server, or pin less.",
  remote_not_trusted: "Name the remote in this server’s own settings: only the repository names it so far.",
  pull_failed: "Look at the remote and the way to it; it is tried again by itself.",
  digest_mismatch:
    "The remote’s bytes are not those that were promoted. Push them again, or go back to a release that is whole.",
  environment_failed: "Look at the package index and the recorded requirements; it is tried again by itself.",
  machine_failed: "Give the machine what it lacks (disk, descriptors, memory); it is tried again by itself.",
  load_failed: "The model’s author must look: the log has the traceback.",
  golden_mismatch: "The model does not answer as it did at its promotion. Go back, and ask its author.",
  fell_back: "Its workers died soon after it went live. It is tried again once git changes.",
};

function mend(code) {
  return MENDS[code] ?? "The log has the whole reason. Checking out a release that was live leaves this one behind.";
}

/** What changed last, by whom, and the command that takes it back: to one that `attempts` do not tell to fail. */
export function showLast(models, history, attempts) {
  const target = document.getElementById("last");
  const found = models && Object.keys(models.models).length > 0 ? lately(models, history, attempts ?? []) : null;
  fill(target, found, (one) => (one === null ? null : last(one)));
}

function lately(models, history, attempts) {
  const sinces = Object.values(models.models)
    .map((one) => one.since)
    .sort();
  const known = history?.releases.filter((one) => one.readable) ?? [];
  const at = known.findIndex((one) => same(pin(one), models.live));
  const tried = (one) => attempts.findLast((each) => same(each.models, pin(one)))?.outcome ?? "live";
  const failed = (one) => !["live", "running", "superseded"].includes(tried(one));
  const wanted = same(models.desired, models.live);
  return {
    since: sinces.at(-1),
    release: models.release,
    asked: history !== null,
    more: history?.more ?? false,
    entry: known[at] ?? null,
    before: (at >= 0 && known.slice(at + 1).find((one) => !same(pin(one), models.live) && !failed(one))) || null,
    ahead: at > 0 && wanted && !failed(known[0]) ? known[0] : null, // else git asks for it already
  };
}

/** The digests that a release of the history pins. */
export function pin(entry) {
  return entry.readable && Object.fromEntries(Object.entries(entry.models).map(([name, one]) => [name, one.digest]));
}

function last({ since, release, asked, more, entry, before, ahead }) {
  const commit = entry?.revision ?? release?.commit;
  return h(
    "div",
    { class: "last" },
    h(
      "p",
      { class: "what" },
      entry
        ? h("bdi", {}, entry.subject)
        : !commit
          ? "A models.dvc that is in no commit"
          : !asked
            ? "Asking git …"
            : more
              ? "A release older than those of the history here"
              : "A release that is no commit’s of this branch",
    ),
    h(
      "p",
      { class: "aside" },
      "Went live ",
      moment(since),
      entry ? [" · pinned ", moment(entry.date), " by ", h("bdi", {}, entry.author)] : null,
      release?.signer ? ` · signed by ${release.signer}` : null,
      commit ? [" · ", copyable(commit, short(commit), "revision")] : null,
      release?.older_than_previous || ahead ? h("span", { class: "tag" }, "rolled back") : null,
    ),
    before ? back("Go back to", before) : null,
    ahead ? back("Go forth to", ahead) : null,
  );
}

function back(told, entry) {
  const text = checkout(entry.revision);
  return h(
    "p",
    { class: "back" },
    h("span", {}, `${told} “`, h("bdi", {}, entry.subject), "”, ", moment(entry.date)),
    copyable(text, text, "command"),
  );
}

/** The command that makes a release of the history live. */
export function checkout(revision) {
  return `git checkout ${short(revision)} -- models.dvc`;
}
