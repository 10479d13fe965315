"use strict";
// Runs right after the contents, so that a narrow screen never sees them open first.
const contents = document.querySelector("nav details");
const narrow = matchMedia("(max-width: 69.99rem)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();

addEventListener("DOMContentLoaded", () => {
  const links = [...contents.querySelectorAll("a")];
  const headings = links.map((a) => document.getElementById(decodeURIComponent(a.hash.slice(1))));
  const mark = () => {
    const current = headings.findLastIndex((h) => h.getBoundingClientRect().top < innerHeight / 4);
    links.forEach((a, i) => {
      if (i !== current) a.removeAttribute("aria-current");
      else if (!a.hasAttribute("aria-current")) {
        a.setAttribute("aria-current", "true");
        if (!narrow.matches) a.scrollIntoView({ block: "nearest" });
      }
    });
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
  contents.addEventListener("click", (e) => {
    if (narrow.matches && e.target.closest("a")) contents.open = false;
  });

  const all = contents.querySelector("label");
  const cells = [...document.querySelectorAll(".cell > details")];
  all.hidden = cells.length === 0;
  all.addEventListener("change", (e) => cells.forEach((d) => { d.open = e.target.checked; }));

  // The frame viewer: choices put other images in place, the slider moves the edge between outlines.
  for (const viewer of document.querySelectorAll(".viewer")) {
    const frames = JSON.parse(viewer.querySelector("script").textContent);
    const control = name => viewer.querySelector(`[name=${name}]`);
    const update = () => {
      const frame = frames[control("frame").value];
      const stage = viewer.querySelector(".stage");
      stage.querySelector(".image").src = frame.image;
      stage.querySelector(".truth").src = frame.truth;
      stage.querySelector(".found").src = frame.found[control("arm").value] ?? "data:,";
      stage.style.setProperty("--wipe", `${control("wipe").value}%`);
      stage.classList.toggle("bare", !control("outlines").checked);
    };
    viewer.addEventListener("input", update);
  }
});
