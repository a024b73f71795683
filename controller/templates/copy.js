// Copy buttons. Without this script they stay hidden, and every value can be selected and copied by hand.
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const value = document.getElementById(button.dataset.copies);
    const status = document.getElementById("copied");
    const name = value.closest("div").querySelector("dt").textContent;
    try {
      await navigator.clipboard.writeText(value.textContent);
      status.textContent = `${name} is copied.`;
    } catch {
      status.textContent = `The browser did not allow it: select the ${name} and copy it by hand.`;
    }
  });
}
