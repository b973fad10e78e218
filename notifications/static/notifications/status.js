// Elements with data-refresh="SECONDS" are taken from the page anew while somebody looks at it: ?part=ID has each alone.
"use strict";

const said = document.getElementById("status-fresh");

/** What identifies an element in the next version of its part. */
function selectorOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  if (href) return `a[href="${CSS.escape(href)}"]:not([tabindex])`;
  const details = element.closest("details[id]");
  return details ? `#${CSS.escape(details.id)} > ${element.localName}` : "";
}

/** Replaces what is in a part; what is open, scrolled and has the focus stays so. */
function replace(part, html) {
  const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  const scrolled = [...part.querySelectorAll("[role=region]")].map((each) => [each.scrollLeft, each.scrollTop]);
  const focused = part.contains(document.activeElement) ? selectorOf(document.activeElement) : "";
  part.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll("[role=region]").forEach((each, at) => {
    if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at];
  });
  if (focused) part.querySelector(focused)?.focus({ preventScroll: true });
}

/** Whether somebody marks text there: it would be lost. */
function isSelected(part) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

async function refresh(part) {
  const address = new URL(location.href);
  address.searchParams.set("part", part.id);
  const answer = await fetch(address, { credentials: "same-origin", redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 403) {
    said.textContent = "This page is no longer refreshed: you are logged out, or may no longer see it. Reload it to log in.";
    return false;
  }
  if (!answer.ok) throw new Error(answer.status);
  const html = await answer.text();
  if (!isSelected(part)) replace(part, html);
  return true;
}

async function keepFresh(part) {
  const seconds = Number(part.dataset.refresh);
  let pause = seconds;
  for (;;) {
    await new Promise((resolve) => { setTimeout(resolve, pause * 1000); });
    if (document.visibilityState !== "visible") {
      await new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
    }
    try {
      if (!await refresh(part)) return;
      pause = seconds;
      said.textContent = "";
    } catch {
      pause = Math.min(pause * 2, 600);
      said.textContent = `The site did not answer. The figures below are old; the next try is in ${Math.round(pause / 60)} min.`;
    }
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) keepFresh(part);
