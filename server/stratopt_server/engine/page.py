"""The frame of the report page: where the parts go."""

from stratopt_server.pages.style import STYLE

PAGE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
"""
    + STYLE
    + """</style>
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
)
"""A string.Template; every part put into it is escaped HTML already."""
