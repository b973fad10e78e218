// Updates the live parts of the page. The page works without it.
"use strict";

const AWAITING_MS = 1000;
const IDLE_MS = 3000;
let timer = 0;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }
}

function swap(fresh) {
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const part = fresh.getElementById(old.id);
    if (!part || part.outerHTML === old.dataset.seen) continue;
    const seen = part.outerHTML;
    const shown = document.importNode(part, true);
    if ("live" in shown.dataset) shown.dataset.seen = seen;
    localTimes(shown);
    old.replaceWith(shown);
  }
}

async function refresh() {
  const answer = await fetch("/activity/" + location.search, { credentials: "same-origin" });
  if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(turn, document.querySelector("[data-awaiting]") ? AWAITING_MS : IDLE_MS);
}

async function turn() {
  try {
    await refresh();
  } catch {
    // The site is away for a moment: ask again next time.
  }
  schedule();
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : turn()));
localTimes(document);
schedule();
