// Small conveniences; every page works without them.

function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    const moment = new Date(time.dateTime);
    time.textContent = "clock" in time.dataset
      ? moment.toLocaleTimeString("sv-SE", { timeStyle: "short" })
      : moment.toLocaleString("sv-SE"); // ISO order, the reader's own time zone
  }
}

// Texts of a picture are shorter than a time: of 2026-12-31 23:59:59 they keep the part that they were.
const PARTS = { 5: [11, 16], 8: [11, 19], 10: [0, 10], 11: [5, 16], 19: [0, 19] };

function showLocalTimesOfPictures(root) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const figure of root.parentElement?.querySelectorAll("figure:has(svg [data-at])") ?? []) {
    if (figure.closest(".report")) {
      continue; // what is printed for others stays in UTC
    }
    for (const text of figure.querySelectorAll("[data-at]")) {
      const local = new Date(text.dataset.at).toLocaleString("sv-SE");
      text.textContent = local.slice(...PARTS[text.textContent.length]);
      text.removeAttribute("data-at");
    }
    for (const text of figure.querySelectorAll("[data-zone]")) {
      text.textContent = zone;
    }
  }
}

function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button.copy")) {
    button.hidden = false;
  }
}

document.addEventListener("htmx:load", (event) => {
  showLocalTimes(event.detail.elt);
  showLocalTimesOfPictures(event.detail.elt);
  showCopyButtons(event.detail.elt);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (button) {
    const text = button.parentElement.querySelector("pre");
    getSelection().selectAllChildren(text); // also where the browser keeps the clipboard for https alone
    await navigator.clipboard?.writeText(text.textContent);
    button.textContent = navigator.clipboard ? "Copied" : "Selected";
  }
});

// A table that somebody is in does not renew itself under their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  const table = event.detail.elt;
  const selection = getSelection();
  if (
    table.id === "results" &&
    (table.contains(document.activeElement) ||
      table.querySelector("details[open]") ||
      (!selection.isCollapsed && table.contains(selection.anchorNode)))
  ) {
    event.preventDefault();
  }
});

// A screen reader hears of progress when the words change, every tenth, and not of each number.
document.addEventListener("htmx:load", () => {
  const said = document.getElementById("said");
  const words = document.querySelector("[data-say]")?.dataset.say;
  if (said && words && said.textContent !== words) {
    said.textContent = words;
  }
});

// What the reader has unfolded stays unfolded when its fragment is renewed.
const unfolded = new Map();
document.addEventListener("toggle", ({ target }) => target.id && unfolded.set(target.id, target.open), true);
document.addEventListener("htmx:load", ({ detail }) => {
  for (const details of detail.elt.parentElement?.querySelectorAll("details[id]") ?? []) {
    details.open = unfolded.get(details.id) ?? details.open;
  }
});

// A tab that nobody sees does not ask how things stand; once it is seen again, it asks at once.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && !event.detail.requestConfig.triggeringEvent) {
    event.preventDefault();
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    htmx.trigger(document.body, "shown");
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

document.addEventListener("htmx:afterRequest", (event) => {
  document.documentElement.classList.toggle("offline", !event.detail.xhr.status);
});

// Who chooses again while an answer is on its way keeps the newer choice: its own answer comes next and draws it.
const ASKING = "[hx-trigger^='change']";
const chosenAt = new WeakMap();
const sentAt = new WeakMap();
let answered = 0;
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, ({ target, timeStamp }) => {
    const asking = target.closest(ASKING);
    if (asking) {
      chosenAt.set(asking, timeStamp);
    }
  });
}
const isOvertaken = (part) => [...part.querySelectorAll(ASKING)].some((asking) => chosenAt.get(asking) > answered);
document.addEventListener("htmx:beforeSend", ({ detail }) => {
  if (detail.elt.matches(ASKING)) {
    sentAt.set(detail.xhr, performance.now()); // what a button did is always drawn
  }
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  answered = sentAt.get(detail.xhr);
  detail.shouldSwap &&= !isOvertaken(detail.target);
});
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  detail.shouldSwap &&= !isOvertaken(detail.target);
});

// What was typed in the last moment before leaving is saved too.
let unsaved = false;
document.addEventListener("input", ({ target }) => {
  unsaved ||= target.form?.id === "composer";
});
document.addEventListener("htmx:beforeSend", ({ detail }) => {
  unsaved &&= detail.elt.id === "composer" || !detail.elt.closest("#composer"); // the form itself asks for the preview
});
// A save that comes later than what was sent for review would make the review look old.
let leaving = false;
document.addEventListener("submit", (event) => {
  unsaved = false;
  leaving = event.target.id === "composer" && !event.defaultPrevented;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (leaving && event.detail.elt.closest("#compose")) {
    event.preventDefault();
  }
});
addEventListener("pageshow", () => {
  leaving = false;
});
async function saveNow() {
  const form = document.getElementById("composer");
  if (!unsaved || !form) {
    return;
  }
  unsaved = false;
  const typed = new FormData(form);
  typed.delete("device_file");
  typed.delete("from_file");
  const headers = { "HX-Request": "true" };
  const body = new URLSearchParams(typed).toString();
  const keepalive = body.length < 60_000; // browsers take no more along
  const answer = await fetch(form.dataset.save, { method: "POST", body: new URLSearchParams(body), headers, keepalive }).catch(() => null);
  const saved = document.getElementById("saved");
  if (answer?.ok && saved) {
    saved.outerHTML = await answer.text();
  }
}
document.addEventListener("visibilitychange", () => document.hidden && saveNow());
addEventListener("pagehide", saveNow);

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a.copy-link");
  if (link && navigator.clipboard && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    await navigator.clipboard.writeText(link.href);
    link.textContent = "Link copied";
  }
});

// A browser takes many seconds to lay out a hundred thousand pasted lines: a long paste goes in as a file instead.
document.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  const files_of = { id_device_ids: "id_device_file", id_from_ids: "id_from_file" };
  const file = document.getElementById(files_of[event.target.id]);
  if (file && text.length > 200_000) {
    event.preventDefault();
    const files = new DataTransfer();
    files.items.add(new File([text], "pasted.txt", { type: "text/plain" }));
    file.files = files.files;
    file.dispatchEvent(new Event("change", { bubbles: true }));
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Enter" && typing?.closest("#source, .find") && event.target.tagName !== "TEXTAREA" && !event.ctrlKey && !event.metaKey) {
    event.preventDefault(); // count what is looked for, instead of sending the form
    typing.dispatchEvent(new Event("change", { bubbles: true }));
  }
  if (event.key === "/" && !typing) {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = typing?.form?.querySelector("button.primary");
    if (button) {
      event.preventDefault();
      button.click();
    }
  }
});

showLocalTimes(document);
showLocalTimesOfPictures(document.body);
showCopyButtons(document);
