// What all pages share beyond htmx: nobody looks, so nothing is asked; and copying commands.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = event.detail.elt.id === "live" && !event.detail.requestConfig.triggeringEvent;
  if (polls && document.hidden) event.preventDefault();
});

// What a reader has unfolded stays so when the page looks again.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
  !(name === "open" && node instanceof HTMLDetailsElement);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// A button to copy needs a script, so a script makes it.
function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const command of root.querySelectorAll("pre.command:not(:has([data-copy]))")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.dataset.copy = "";
    button.textContent = "Copy";
    command.append(button);
  }
}

addCopyButtons(document);
document.addEventListener("htmx:afterSettle", () => addCopyButtons(document));
