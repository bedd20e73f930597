"""The frame of the report page: its style sheet and where the parts go."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --rule: #dde2e8; --paper: #fff;
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
</style>
</head>
<body>
<main>
<header><h1>$title</h1><p>$subtitle</p></header>
<dl>$headline</dl>
$equity
$drawdown
<div class="columns">
<section><h2>Figures</h2><table class="pairs">$metrics</table></section>
<section><h2>What it was run with</h2><table class="pairs">$inputs</table></section>
</div>
$bracket
<section><h2>Deepest drawdowns</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Deepest drawdowns">
<table>$falls</table></div></section>
<section><h2>Returns by month</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Returns by month">
<table>$months</table></div></section>
<section><h2>Last trades</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Last trades">
<table>$trades</table></div></section>
</main>
</body>
</html>
"""
"""A string.Template; every part put into it is escaped HTML already."""
