"""The style sheet that every page shares."""

STYLE = """:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --rule: #dde2e8; --paper: #fff;
  --card: #f6f8fa; --a: #1463c9; --b: #8a6d00; --c: #b3261e; --up: #136c3a; --down: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa6b5; --rule: #313944;
  --paper: #12161c; --card: #1a2028; --a: #6cabff; --b: #e0bd4a; --c: #ff8a80; --up: #6fd596;
  --down: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { margin: 0; font-size: 28px; overflow-wrap: anywhere; }
h2 { margin: 40px 0 8px; font-size: 18px; }
header p { margin: 4px 0 0; color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 24px 0; }
dl div { padding: 12px 16px; border-radius: 10px; background: var(--card); }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 24px; font-variant-numeric: tabular-nums; }
figure { margin: 24px 0; }
figcaption { margin-bottom: 6px; font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.line.a { stroke: var(--a); } .line.c { stroke: var(--c); }
.line.b { stroke: var(--b); stroke-dasharray: 5 3; }
.key { margin-left: 12px; font-weight: 400; font-size: 13px; }
.key.a { color: var(--a); } .key.b { color: var(--b); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; }
.pairs td { overflow-wrap: anywhere; white-space: normal; }
.up { color: var(--up); } .down { color: var(--down); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 0 40px; }
.bar { fill: var(--a); } .bar.down { fill: var(--down); } .whisker { stroke: var(--ink); stroke-width: 2; }
.mark { stroke: var(--b); stroke-width: 1.5; stroke-dasharray: 5 3; }
.passed { color: var(--up); } .failed, .not_computable { color: var(--down); font-weight: 600; }
.warning, .review { color: var(--b); font-weight: 600; } .not_applicable { color: var(--soft); }
.verdict { display: inline-block; padding: 2px 12px; border-radius: 999px; background: var(--card); }
td.words { text-align: left; white-space: normal; min-width: 320px; } td.wrap { white-space: normal; }
"""
