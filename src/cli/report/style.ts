/** The look of the page: light or dark as the reader's system says, quiet on paper. */
export const STYLE = `
:root { color-scheme: light dark;
  --ground: #f6f7fa; --card: #ffffff; --text: #1b2230; --quiet: #5a6476; --line: #e2e6ee; --stripe: #f8f9fc;
  --accent: #2b62d9; --gas: #0d8f7e; --bytes: #b86a00; --good: #2b62d9; --fair: #b86a00; --bad: #c22b3a;
  --held: #2b62d914; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0e1218; --card: #161c25; --text: #e5e9f0; --quiet: #98a4b6; --line: #29313d; --stripe: #1a212b;
  --accent: #78a9ff; --gas: #3ec7b1; --bytes: #eda43b; --good: #78a9ff; --fair: #eda43b; --bad: #ff7d84;
  --held: #78a9ff1c; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3rem; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .35rem; }
p { margin: .3rem 0 .8rem; max-width: 75ch; }
a { color: var(--accent); }
code, .node, summary, th[scope=row] a { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
.quiet, .operator, figcaption, .tick, dt { color: var(--quiet); }
.bad { color: var(--bad); }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
header .quiet { font-size: .85rem; margin: .25rem 0 1.25rem; max-width: none; }
.warning { border-left: 4px solid var(--fair); background: var(--card); padding: .6rem 1rem; margin: 0 0 1rem; max-width: none; border-radius: 0 8px 8px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin: 0 0 1rem; }
.tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .7rem .95rem; min-width: 0; }
.tiles dt { font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; letter-spacing: -.01em; overflow-wrap: anywhere; }
.tiles dd small { display: block; font-size: .78rem; font-weight: 400; letter-spacing: 0; color: var(--quiet); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.2rem; margin: 0 0 1rem; }
figure { margin: 0; }
figure.along { margin: .4rem 0 .2rem; }
figure.along figcaption { font-size: .85rem; margin-top: .5rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
svg .note { fill: var(--text); font-weight: 600; }
svg .power { font-size: 9px; }
.grid, .axis { stroke: var(--line); }
.trace { fill: none; stroke: var(--accent); stroke-opacity: .35; stroke-width: 1.5; }
.dot { stroke: var(--card); stroke-width: 1; fill: var(--good); }
.dot.bad { fill: var(--bad); } .dot.fair { fill: var(--fair); }
.bar.gas { fill: var(--gas); } .bar.bytes { fill: var(--bytes); }
a:hover .bar, a:hover .dot { opacity: .6; }
.held { fill: var(--held); } .limit { stroke: var(--accent); stroke-dasharray: 3 3; }
.magnitude { fill: var(--quiet); fill-opacity: .75; } .magnitude.lost { fill-opacity: .3; } .magnitude.out { fill: var(--bad); fill-opacity: 1; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .55rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--card); color: var(--quiet); font-weight: 600; vertical-align: bottom; }
th.num, td.num { text-align: right; }
th[scope=row] { font-weight: 500; white-space: normal; overflow-wrap: anywhere; min-width: 11rem; max-width: 21rem; }
th[scope=row] .operator { font-weight: 400; font-size: .93em; margin-right: .4rem; }
#layers th[scope=row] .operator { padding-left: 1.05rem; }
#layers .node { padding-left: 1.05rem; display: block; }
.worst th[scope=row] { max-width: 30rem; min-width: 16rem; }
.worst th[scope=row] a { text-decoration: none; } .worst th[scope=row] a:hover { text-decoration: underline; }
.tag { font-size: .7rem; font-weight: 600; color: var(--accent); border: 1px solid currentColor; border-radius: 4px; padding: 0 .3rem; }
tbody:target > tr:first-child > * { background: var(--held); }
tbody:hover > tr:first-child > * { background: var(--stripe); }
thead button { all: unset; cursor: pointer; color: inherit; font-weight: 600; }
thead button:hover { color: var(--text); }
thead button:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
[aria-sort=ascending] button::after { content: " ▲"; font-size: .7em; } [aria-sort=descending] button::after { content: " ▼"; font-size: .7em; }
summary { cursor: pointer; margin-left: 0; padding-left: 1.05rem; list-style: none; position: relative; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "▸"; position: absolute; left: 0; color: var(--quiet); }
details[open] summary::before { content: "▾"; }
.mark { display: inline-block; width: .55em; height: .55em; border-radius: 50%; margin-right: .45em; background: var(--good); }
.mark.bad, .gauge.bad { background: var(--bad); } .mark.fair, .gauge.fair { background: var(--fair); }
.meter { display: inline-block; min-width: 5.6rem; padding-bottom: 3px;
  background: linear-gradient(var(--tint), var(--tint)) right bottom / var(--share) 3px no-repeat; }
.meter.gas { --tint: var(--gas); } .meter.bytes { --tint: var(--bytes); }
.gauge { display: block; height: .62rem; margin-top: .38rem; width: var(--share); border-radius: 3px; background: var(--good); }
td.wide { width: 30%; }
.more > td { white-space: normal; background: var(--stripe); padding-bottom: .8rem; }
@supports selector(:has(a)) { tbody:not(:has(details[open])) > .more { display: none; } }
.value { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .3rem 0 .8rem; align-items: flex-start; }
.value dl { flex: 1 1 20rem; display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: .4rem 1rem; margin: 0; }
.value dt { font-size: .75rem; } .value dd { margin: 0; overflow-wrap: anywhere; }
.value figure { flex: 0 1 30rem; } .value figcaption { font-size: .75rem; }
.tools { display: flex; flex-wrap: wrap; gap: .8rem; align-items: center; margin: .4rem 0 .6rem; }
.tools input { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 7px; padding: .3rem .65rem; width: 19rem; max-width: 100%; }
footer { color: var(--quiet); font-size: .8rem; }
@page { size: A4 landscape; margin: 11mm; }
@media print {
  :root { --ground: #fff; --card: #fff; --text: #000; --quiet: #444; --line: #ccc; --stripe: #fff;
    --accent: #2b62d9; --gas: #0d8f7e; --bytes: #b86a00; --good: #2b62d9; --fair: #b86a00; --bad: #c22b3a; --held: #2b62d914; color-scheme: light; }
  * { print-color-adjust: exact; }
  main { max-width: none; padding: 0; } body { font-size: 10pt; } table { font-size: 7.5pt; }
  th, td { padding: .2rem .3rem; } .scroll { overflow: visible; } thead th { position: static; }
  section { border: 0; padding: 0; } tr, figure { break-inside: avoid; } .tools { display: none; }
  a { color: inherit; text-decoration: none; } .meter { min-width: 4rem; }
}
`;
