// Saves a key by one request. Without this, its form is posted.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.method !== "PUT") return;
  event.preventDefault();
  const key = form.elements.key.value;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const query = form.elements.anyway ? "?anyway=yes" : "";
    const reply = await fetch(form.action + query, { method: "PUT", body: key });
    if (![200, 409, 422].includes(reply.status)) throw new Error(reply.status);
    const card = form.closest("section");
    card.outerHTML = await reply.text();
    const changed = document.getElementById(card.id);
    // Whoever stores it anyway need not paste it again.
    if (reply.status === 409) changed.querySelector("input[name=key]").value = key;
    changed.querySelector("[role=status], [role=alert]").focus();
  } catch {
    form.querySelector("output").textContent = "The key was not stored. Load the page again, and try once more.";
    button.disabled = false;
  }
});
