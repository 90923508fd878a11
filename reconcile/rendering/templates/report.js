// Search and filter the listed invoices. Without it the page is whole, only longer.
"use strict";
(() => {
  const form = document.querySelector("form.filter");
  if (!form) return;
  const groups = [...document.querySelectorAll("section.outcome")].map((section) => ({
    section,
    outcome: section.dataset.outcome,
    list: section.querySelector("details.quiet"),
    invoices: [...section.querySelectorAll("tbody.invoice")].map((body) => ({ body, text: null })),
  }));
  const all = groups.reduce((sum, group) => sum + group.invoices.length, 0);
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const search = form.querySelector("input[type=search]");
  const blocking = form.querySelector("input[name=blocking]");
  const status = form.querySelector("output");

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const fits = (invoice, words) => {
    if (blocking.checked && !invoice.body.classList.contains("blocks")) return false;
    if (!words.length) return true;
    invoice.text ??= plain(invoice.body.textContent);
    return words.every((word) => invoice.text.includes(word));
  };

  const apply = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const wanted = new Set([...form.querySelectorAll("input[name=outcome]:checked")].map((box) => box.value));
    let shown = 0;
    for (const group of groups) {
      let here = 0;
      for (const invoice of group.invoices) {
        const fit = wanted.has(group.outcome) && fits(invoice, words);
        invoice.body.hidden = !fit;
        here += fit;
      }
      group.section.hidden = here === 0;
      if (group.list && words.length && here) group.list.open = true;
      shown += here;
    }
    status.textContent = form.dataset.shown
      .replace("{shown}", number.format(shown))
      .replace("{all}", number.format(all));
  };

  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  });
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of form.querySelectorAll("button[data-open]")) {
    button.addEventListener("click", () => {
      for (const details of document.querySelectorAll("details.xml, details.files")) {
        details.open = button.dataset.open === "true";
      }
    });
  }
  // A link to an invoice or an outcome must lead to something that is shown.
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.closest("[hidden]")) return;
    form.reset();
    apply();
    target.scrollIntoView();
  });
  form.hidden = false;
  apply();
})();
