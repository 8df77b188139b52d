// What the theme leaves out for who reads with a keyboard or a screen reader.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll('.sidebar-tree [role="heading"]').forEach((each) => each.setAttribute("aria-level", "2"));
  document.querySelectorAll(".highlight pre, .table-wrapper").forEach((each) => each.setAttribute("tabindex", "0"));
});
