// What pages do beyond links and forms. All of them work without it.
(function () {
  "use strict";
  const body = document.body;
  const announcer = document.getElementById("announcer");
  const announce = (words) => { announcer.textContent = ""; announcer.textContent = words; };

  // Light, dark, as the system: round and round.
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-switch]")) {
      const order = ["auto", "light", "dark"];
      const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % 3];
      try { localStorage.setItem("theme", next); } catch (refused) { /* for this page only, then */ }
      window.applyTheme(next === "auto" ? null : next);
    }
    const copied = event.target.closest("[data-copy]");
    if (copied) navigator.clipboard.writeText(copied.dataset.copy).then(() => announce(body.dataset.copied + ": " + copied.dataset.copy));
    // A click anywhere in a row opens it; links, buttons and marked text keep their own meaning.
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, label, select") && !String(window.getSelection())) {
      const link = row.querySelector("a[href]");
      if (event.ctrlKey || event.metaKey) window.open(row.dataset.href); else if (link) link.click(); else location = row.dataset.href;
    }
  });

  // A refused form is the answer at an address that only takes forms. It gets the address of the page that the form
  // was sent from, so that Back, a reload and another language find a page there. The page may know better by then.
  document.addEventListener("submit", (event) => {
    const here = location.pathname + location.search;
    try { sessionStorage.setItem("sent-from", here); } catch (refused) { /* then Back asks whether to send it again */ }
    const next = event.target.querySelector("[name=next][data-here]");
    if (next) next.value = here;
  });
  try {
    const from = sessionStorage.getItem("sent-from");
    if (from && "posted" in body.dataset) history.replaceState(null, "", from);
  } catch (refused) { /* as above */ }

  // Keys. None while somebody types.
  let before = "";
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing && typing.id === "search") typing.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const two = before + event.key;
    before = event.key;
    const places = { gd: "/documents/", gh: "/held/", gs: "/shipments/", gp: "/platforms/", gg: "/" };
    if (places[two]) { location = places[two]; return; }
    if (event.key === "/") { event.preventDefault(); document.getElementById("search")?.focus(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
    if (event.key === "Enter" && event.target.matches("tr[data-href]")) event.target.querySelector("a[href]")?.click();
    if (event.key === "x") event.target.closest("tr")?.querySelector("[form=selection][name=id]")?.click();
    if (event.key === "?") document.querySelector("[data-bs-target='#keys']")?.click();
  });
  function step(by) {
    const rows = [...document.querySelectorAll("tr[data-href]")];
    if (!rows.length) return;
    const here = rows.indexOf(document.activeElement.closest("tr[data-href]"));
    const row = rows[Math.min(Math.max(here + by, 0), rows.length - 1)];
    row.tabIndex = -1;
    row.focus();
  }

  // The address of a filtered list names only what is set.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt.id !== "filters") return;
    for (const [name, value] of [...event.detail.formData.entries()]) if (value === "") event.detail.formData.delete(name);
  });

  // A part that could not be loaded says so in its place, and can be tried again.
  const failed = (event) => {
    const { target, requestConfig, xhr } = event.detail;
    if (xhr && xhr.getResponseHeader("HX-Redirect")) return;
    const box = document.createElement("div");
    box.className = "alert alert-danger part-failed";
    box.setAttribute("role", "alert");
    const again = document.createElement("button");
    again.type = "button";
    again.className = "btn btn-sm ms-2";
    again.textContent = body.dataset.retry;
    again.addEventListener("click", () => {
      box.remove();
      htmx.ajax(requestConfig.verb, requestConfig.path, { source: event.detail.elt, target, values: requestConfig.parameters });
    });
    box.append(body.dataset.failed, again);
    target.querySelectorAll(":scope > .part-failed").forEach((old) => old.remove());
    target.prepend(box);
  };
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:timeout", failed);

  // What was swapped in and wants the focus gets it; a status that changed is read out.
  document.addEventListener("htmx:afterSwap", (event) => {
    const settled = event.detail.target.id ? document.getElementById(event.detail.target.id) : event.detail.target;
    settled?.querySelector("[data-focus]")?.focus();
    const said = settled?.querySelector("[data-announce]");
    if (said) announce(said.dataset.announce);
  });

  // What opens another tab changes this page too: look soon, and whenever somebody comes back to it.
  let looking = null;
  const look = () => {
    const place = looking && document.querySelector(looking.target);
    if (place) htmx.ajax("GET", looking.address, { target: place, swap: "outerHTML" });
  };
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.look) return;
    looking = { address: event.target.dataset.look, target: event.target.dataset.lookInto };
    setTimeout(look, 1500);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  // A question that the page was opened with.
  document.querySelectorAll("dialog[data-ask]").forEach((question) => question.showModal());

  // A menu closes by a click beside it and with Escape; while one is open, its list is not exchanged by itself.
  const menus = () => document.querySelectorAll("details.dropdown[open]");
  document.addEventListener("click", (event) => menus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; }));
  // Before Bootstrap sees the key: it looks for a button of its own beside each menu, and fails.
  window.addEventListener("keydown", (event) => {
    if (!["Escape", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    if (event.target.closest?.("details.dropdown")) event.stopPropagation();
    if (event.key === "Escape") menus().forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
  }, true);
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "list" && event.detail.elt.querySelector("details[open], [name=id]:checked")) event.preventDefault();
  });

  // Rows are ticked one by one, or all of the page; how many are is said.
  const boxes = () => [...document.querySelectorAll("[form=selection][name=id]")];
  const count = () => {
    const said = document.querySelector("[data-selected]"), ticked = boxes().filter((box) => box.checked).length;
    said.textContent = ticked ? ticked + " " + said.dataset.selected : "";
    document.querySelector("[data-select-page]").checked = ticked > 0 && ticked === boxes().length;
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-page]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.matches("[data-select-page], [form=selection][name=id]")) count();
  });

  // A form that is on its way is not sent twice.
  document.addEventListener("submit", (event) => {
    if (event.target.target === "_blank" || event.submitter?.hasAttribute("data-stays") || event.target.hasAttribute("hx-post") || event.target.method === "get") return;
    setTimeout(() => event.target.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = true; }));
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button[type=submit][disabled]").forEach((button) => { button.disabled = false; });
  });
})();
