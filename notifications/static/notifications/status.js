// Elements with data-part="NAME" are taken from the page anew each data-refresh seconds, while somebody looks at it:
// ?part=NAME has them alone.
"use strict";

const LONGEST_PAUSE = 600;
const said = document.getElementById("status-fresh");
/** The names of parts that did not come the last time. */
const late = new Set();

/** What identifies an element in the next version of its part. */
function selectorOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  if (href) return `a[href="${CSS.escape(href)}"]:not([tabindex])`;
  const details = element.closest("details[id]");
  return details ? `#${CSS.escape(details.id)} > ${element.localName}` : "";
}

/** Replaces what is in a part; what is open, scrolled and has the focus stays so. */
function replace(part, found) {
  const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  const scrolled = new Map([...part.querySelectorAll("details [role=region]")].map((each) => [each.parentElement.id, each.scrollTop]));
  const focused = part.contains(document.activeElement) ? selectorOf(document.activeElement) : "";
  part.replaceChildren(...found.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, top] of scrolled) part.querySelector(`#${CSS.escape(id)} [role=region]`)?.scrollTo(0, top);
  if (focused) part.querySelector(focused)?.focus({ preventScroll: true });
}

/** Whether somebody marks text there: it would be lost. */
function isSelected(part) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

/** Fetches the parts of this name. False: no more, the login has ended. */
async function refresh(name) {
  const address = new URL(location.href);
  address.searchParams.set("part", name);
  const answer = await fetch(address, { redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 403) return false;
  if (!answer.ok) throw new Error(answer.status);
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll(`[data-part="${name}"]`)) {
    const fresh = found.getElementById(part.id);
    if (fresh && !isSelected(part)) replace(part, fresh);
  }
  return true;
}

function isVisible() {
  if (document.visibilityState === "visible") return true;
  return new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
}

async function keepFresh(name, seconds) {
  for (let pause = seconds; ;) {
    await new Promise((resolve) => { setTimeout(resolve, pause * 1000); });
    while (document.visibilityState !== "visible") await isVisible();
    try {
      if (!await refresh(name)) {
        said.textContent = "This page is no longer refreshed: you are logged out, or may no longer see it. Reload it.";
        return;
      }
      pause = seconds;
      if (late.delete(name) && !late.size) said.textContent = "";
    } catch {
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      late.add(name);
      said.textContent = "The site did not answer: what is below is old. It is tried again.";
    }
  }
}

const parts = new Map([...document.querySelectorAll("[data-part]")].map(({ dataset }) => [dataset.part, Number(dataset.refresh)]));
for (const [name, seconds] of parts) keepFresh(name, seconds);
