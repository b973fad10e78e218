// An element with data-fresh is taken from the page anew, with growing pauses, until the page has it without.
// Elements with data-along are taken anew with it.
"use strict";

const LONGEST_PAUSE = 30_000;

async function refresh(shown, pause) {
  await new Promise((resolve) => { setTimeout(resolve, pause); });
  let goesOn = true;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById(shown.id);
    if (!found) return; // logged out
    goesOn = "fresh" in found.dataset;
    shown.className = found.className;
    if (!goesOn) delete shown.dataset.fresh;
    renew(shown, found);
    for (const each of document.querySelectorAll("[data-along]")) renew(each, page.getElementById(each.id));
  } catch {
    // The site is away: the next turn tries again.
  }
  if (goesOn) refresh(shown, Math.min(pause * 1.2, LONGEST_PAUSE));
}

function renew(shown, found) {
  if (found && !shown.contains(document.activeElement)) shown.replaceChildren(...found.cloneNode(true).childNodes);
}

for (const shown of document.querySelectorAll("[data-fresh]")) refresh(shown, 1000);
