// An element with data-fresh is taken from the page anew, with growing pauses, until the page has it without.
"use strict";

const LONGEST_PAUSE = 30_000;

async function refresh(shown, pause) {
  await new Promise((resolve) => { setTimeout(resolve, pause); });
  let found = shown;
  try {
    const answer = await fetch(location.href);
    found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(shown.id);
    if (!found) return; // logged out
    shown.replaceChildren(...found.cloneNode(true).childNodes);
  } catch {
    // The site is away: the next turn tries again.
  }
  if ("fresh" in found.dataset) refresh(shown, Math.min(pause * 1.2, LONGEST_PAUSE));
}

for (const shown of document.querySelectorAll("[data-fresh]")) refresh(shown, 1000);
