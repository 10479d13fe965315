"use strict";
const contents = document.querySelector("nav details");
contents.addEventListener("click", (e) => { if (e.target.closest("a")) contents.open = false; });
addEventListener("click", (e) => { if (!contents.contains(e.target)) contents.open = false; });
contents.addEventListener("keydown", (e) => {
  if (e.key === "Escape") { contents.open = false; contents.querySelector("summary").focus(); }
});

const all = contents.querySelector("label");
const cells = [...document.querySelectorAll(".cell > details")];
all.hidden = cells.length === 0;
all.addEventListener("change", (e) => cells.forEach((d) => { d.open = e.target.checked; }));

// The frame viewer: choices put other images in place, the slider moves the edge between outlines.
for (const viewer of document.querySelectorAll(".viewer")) {
  const frames = JSON.parse(viewer.querySelector("script").textContent);
  const control = (name) => viewer.querySelector(`[name=${name}]`);
  const stage = viewer.querySelector(".stage");
  viewer.addEventListener("input", () => {
    const frame = frames[control("frame").value];
    stage.querySelector(".image").src = frame.image;
    stage.querySelector(".truth").src = frame.truth;
    stage.querySelector(".found").src = frame.found[control("arm").value] ?? "data:,";
    stage.style.setProperty("--wipe", `${control("wipe").value}%`);
    stage.classList.toggle("bare", !control("outlines").checked);
  });
}
