// The style sheet and the script of the report: everything the page needs, inside the page.
#pragma once

namespace kappa::bench {

inline constexpr const char* report_style = R"css(
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c1f23; --soft: #5a626b; --rule: #dfe2e5; --stripe: #f4f5f5;
  --c0: #0b5fa5; --c1: #b8480a; --c2: #00745a; --c3: #7d429a; --c4: #7a6000; --c5: #a0305f; --c6: #4747b8; --c7: #5b5b66; --c8: #1d7d1d; --c9: #8a3b12; --c10: #006d8f;
  --bad: #a3261b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181b; --card: #1d2125; --ink: #e7e9eb; --soft: #a3abb3; --rule: #343a40; --stripe: #22272b;
    --c0: #74b4f0; --c1: #f0995e; --c2: #52c9a2; --c3: #cda2e3; --c4: #dcc25a; --c5: #f08fb4; --c6: #a3a3ff; --c7: #b4b4c0; --c8: #8fdc6e; --c9: #d99a7a; --c10: #5fd0e8;
    --bad: #ff8f82;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 4px; }
h2 { font-size: 23px; line-height: 1.25; margin: 56px 0 4px; padding-top: 20px; border-top: 1px solid var(--rule); }
h3 { font-size: 17px; margin: 32px 0 2px; }
h4 { font-size: 14px; font-weight: 600; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 74ch; }
.soft, figcaption { color: var(--soft); }
figcaption { font-size: 14px; margin-top: 4px; max-width: 74ch; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 20px 0 0; font-size: 14px; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(205px, 1fr)); gap: 12px; margin: 16px 0 8px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 16px 10px; }
.card h4 { color: var(--soft); font-weight: 500; }
.card div { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; }
.card div + div { margin-top: 2px; }
.card .lead b { font-size: 24px; line-height: 1.3; }
.card b { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card span { font-size: 14px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 8px 0; font-size: 14px; }
.legend svg { width: 34px; height: 10px; vertical-align: middle; margin-right: 8px; }
figure { margin: 12px 0 0; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; min-width: 0; }
.pictures img { display: block; width: 100%; image-rendering: pixelated; }
.pictures p { font-size: 14px; margin: 8px 0 2px; color: var(--soft); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; margin-top: 12px; align-items: start; }
.pair figure { margin: 0; }
.chart { display: block; width: 100%; height: auto; }
.chart .grid line { stroke: var(--rule); stroke-width: 1; }
.chart text { fill: var(--soft); font-size: 12.5px; font-variant-numeric: tabular-nums; }
.chart .axis { fill: var(--ink); font-size: 13px; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: butt; }
.line.s0 { stroke: var(--c0); } .line.s1 { stroke: var(--c1); stroke-dasharray: 8 3; }
.line.s2 { stroke: var(--c2); stroke-dasharray: 2 3; } .line.s3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
.line.s4 { stroke: var(--c4); stroke-dasharray: 14 4; } .line.s5 { stroke: var(--c5); stroke-dasharray: 4 4; }
.line.s6 { stroke: var(--c6); } .line.s7 { stroke: var(--c7); stroke-dasharray: 1 3; }
.line.s8 { stroke: var(--c8); stroke-dasharray: 12 3 3 3; } .line.s9 { stroke: var(--c9); stroke-dasharray: 6 2; }
.line.s10 { stroke: var(--c10); }
.end.s0 { fill: var(--c0); } .end.s1 { fill: var(--c1); } .end.s2 { fill: var(--c2); }
.end.s3 { fill: var(--c3); } .end.s4 { fill: var(--c4); } .end.s5 { fill: var(--c5); }
.end.s6 { fill: var(--c6); } .end.s7 { fill: var(--c7); } .end.s8 { fill: var(--c8); }
.end.s9 { fill: var(--c9); } .end.s10 { fill: var(--c10); }
.scroll { overflow-x: auto; margin: 12px 0 0; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); }
.tall { max-height: 640px; overflow-y: auto; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 9px; text-align: right; white-space: nowrap; }
th.t, td.t { text-align: left; }
td.wrap { white-space: normal; min-width: 300px; }
thead { position: sticky; top: 0; z-index: 2; }
thead th { background: var(--card); font-weight: 500; color: var(--soft); }
thead tr:last-child th { border-bottom: 1px solid var(--rule); }
thead tr.who th { color: var(--ink); font-weight: 600; text-align: center; padding-top: 9px; }
tbody tr:nth-child(even) td { background: var(--stripe); }
td.first, th.first { border-left: 1px solid var(--rule); }
td:first-child { position: sticky; left: 0; background: var(--card); }
td.bad { color: var(--bad); font-weight: 600; }
td.heat { background: color-mix(in srgb, var(--c0) calc(var(--p) * 0.38), var(--card)) !important; }
th button {
  all: unset; cursor: pointer; color: inherit; border-radius: 3px;
}
th button:hover { color: var(--ink); text-decoration: underline; }
th button:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " ▲"; font-size: 10px; }
th[aria-sort="descending"] button::after { content: " ▼"; font-size: 10px; }
.note { font-size: 14px; color: var(--soft); margin-top: 8px; }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--soft); font-size: 14px; }
footer { margin-top: 56px; padding-bottom: 40px; font-size: 14px; color: var(--soft); }
@media (max-width: 720px) {
  body { font-size: 15px; }
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 22px; }
  h1 { font-size: 25px; }
  h2 { margin-top: 40px; }
  .pair { grid-template-columns: 1fr; }
  .cards { grid-template-columns: 1fr; gap: 8px; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: 6px; }
  figure { padding: 10px; }
  th, td { padding: 4px 8px; }
}
@media print { .tall { max-height: none; } thead { position: static; } }
)css";

// A click on a column's name sorts by it, a second click the other way round; what is not a number sorts
// last.
inline constexpr const char* report_script = R"js(
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th[data-c]")];
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const column = Number(head.dataset.c);
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const key = row => {
        const cell = row.children[column];
        return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
      };
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const p = key(a), q = key(b);
        if (typeof p === "string" || typeof q === "string") {
          return sign * String(p).localeCompare(String(q), "en", {numeric: true});
        }
        if (Number.isNaN(p) || Number.isNaN(q)) return Number.isNaN(p) - Number.isNaN(q);
        return sign * (p - q);
      });
      table.tBodies[0].append(...rows);
    });
  }
}
)js";

}  // namespace kappa::bench
