// Before the first paint: light, dark, or as the system has it.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch (refused) { /* storage is switched off */ }
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  window.applyTheme = function (theme) {
    chosen = theme;
    document.documentElement.dataset.theme = theme || "auto";
    document.documentElement.dataset.bsTheme = theme || (dark.matches ? "dark" : "light");
  };
  dark.addEventListener("change", function () { window.applyTheme(chosen); });
  window.applyTheme(chosen === "light" || chosen === "dark" ? chosen : null);
})();
