"""The page of a report, for jinja2 with autoescape: text from people is never trusted."""

STYLE = """
:root { --ink: #222; --soft: #666; --rule: #dcdcdc; --accent: #1f4e79; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 2.2rem 1.6rem 4rem; }
header { border-bottom: 2px solid var(--accent); padding-bottom: .7rem; margin-bottom: 1.4rem; }
h1 { font-size: 1.65rem; font-weight: 600; margin: 0 0 .15rem; overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; font-weight: 600; margin: 2.3rem 0 .7rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); color: var(--accent); }
p { margin: .4rem 0; max-width: 75ch; }
.soft, figcaption { color: var(--soft); font-size: .87rem; }
.warnings { border: 1px solid #d8a657; border-left-width: 5px; background: #fdf6e7; border-radius: 4px;
  padding: .7rem 1.1rem; margin: 0 0 1.4rem; }
.warnings h2 { border: 0; margin: 0 0 .2rem; padding: 0; font-size: 1rem; color: #7a4b00; }
.warnings ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.fine { border-color: #8fb996; background: #f2f8f3; color: #2f5d38; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; }
.card { border: 1px solid var(--rule); border-radius: 4px; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .82rem; }
figure { margin: 0; break-inside: avoid; }
figure img { max-width: 100%; }
.slices { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; align-items: start; }
.slice { position: relative; line-height: 0; background: #000; }
.slice img { width: 100%; image-rendering: auto; }
.bar { position: absolute; left: 4%; bottom: 5%; border-bottom: 3px solid #fff; color: #fff; line-height: 1.2;
  font-size: .78rem; text-align: center; text-shadow: 0 0 3px #000, 0 0 3px #000; white-space: nowrap; }
.slices figcaption { margin-top: .3rem; }
.scale { display: grid; grid-template-columns: auto minmax(120px, 320px) auto 1fr; gap: .6rem;
  align-items: center; margin: .7rem 0 0; font-size: .87rem; font-variant-numeric: tabular-nums; }
.scale i { height: .8rem; border: 1px solid var(--rule); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 1.2rem; }
.plots img { width: 100%; max-width: 620px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .26rem 1.3rem .26rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: anywhere; }
.firm td, .firm th { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 0 2.4rem; }
.two table { width: 100%; }
.two td:first-child { color: var(--soft); width: 42%; }
footer { margin-top: 2.6rem; border-top: 1px solid var(--rule); padding-top: .6rem; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
  .card, tr { break-inside: avoid; }
  @page { margin: 14mm; }
}
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<header>
<h1>{{ title }}</h1>
<p class="soft">{{ subtitle }}</p>
</header>

{% macro table(facts) %}
<table>
{% for name, value in facts %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}</table>
{% endmacro %}
{% macro picture(png, caption, words) %}
<figure><img src="data:image/png;base64,{{ png }}" alt="{{ words }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endmacro %}

{% if warnings %}
<section class="warnings" id="warnings"><h2>Please note</h2>
<ul>{% for text in warnings %}<li>{{ text }}</li>
{% endfor %}</ul></section>
{% else %}
<section class="warnings fine" id="warnings">
No warnings: all angles are there, and all fit their images alike.</section>
{% endif %}

<section id="summary">
<div class="cards">
{% for value, what in cards %}<div class="card"><b>{{ value }}</b><span>{{ what }}</span></div>
{% endfor %}</div>
</section>

<section id="slices">
{% for row in slices %}
<h2>{{ row.name }}: central slices</h2>
<div class="slices">
{% for slice in row.slices %}
<figure><div class="slice"><img src="data:image/png;base64,{{ slice.png }}" alt="{{ slice.caption }}">
<div class="bar" style="width: {{ '%.3f' % (100 * bar_um / slice.width_um) }}%">
{{ '%g' % bar_um }} µm</div></div>
<figcaption>{{ slice.caption }}</figcaption></figure>
{% endfor %}
</div>
<div class="scale"><span>{{ row.low }}</span>
<i style="background: linear-gradient(to right, {{ row.gradient }})"></i><span>{{ row.high }}</span>
<span class="soft">{{ row.note }}</span></div>
{% endfor %}
</section>

<section id="resolution">
<h2>{{ "Even against odd angles" if light else "Resolution: two halves of the angles compared" }}</h2>
{% if light %}
<p>Both halves lie behind one diffuser, and share what is not known of it: they may agree on finer detail
than is resolved. The light resolves {{ light }} (half a period at a transfer of 0.1).</p>
{% endif %}
{% if frc %}
<div class="plots">
{{ picture(frc, "Fourier ring correlation of even against odd angles; bands are one standard deviation, "
  "dotted lines where they fall to 1/4. The angular mean of both halves was freed of rings first.",
  "ring correlation") }}
<div>
<table class="firm">
<tr><th>threshold</th><th>δ</th><th>β</th></tr>
{% for name, delta, beta in resolutions %}<tr><td>{{ name }}</td><td>{{ delta }}</td><td>{{ beta }}</td></tr>
{% endfor %}{% if knife_edge %}
<tr class="soft"><td>Hugonnet et al., 1/4</td><td>91 nm</td><td>158 nm</td></tr>
{% endif %}</table>
<p class="soft">Full period, in parentheses its range for one standard deviation of the curve. Half-bit and
one-bit: van Heel and Schatz (2005).</p>
</div></div>
{% else %}
<p>Too few angles or pixels to compare two halves.</p>
{% endif %}
</section>

<section id="noise">
<h2>Noise and histogram</h2>
<div class="plots">
{{ picture(histogram, "Values of δ in the central block of the volume.", "histogram of delta") }}
<div>{{ table(noise) }}
<p class="soft">Noise is the standard deviation of one voxel, from the difference of both halves
{%- if light %}: what they share does not show in it{% endif %}.</p></div>
</div>
</section>

<section id="retrieval">
<h2>Retrieval</h2>
<div class="plots">
{{ picture(angle, "Residual at each angle" ~ (" after the last iteration." if convergence else "."),
  "residual against angle") }}
{% if convergence %}
{{ picture(convergence, "Residual after each iteration, over all angles.", "convergence") }}
{% endif %}
</div>
</section>

<section id="alignment">
<h2>Angles and alignment</h2>
{% if series or alignment %}
<div class="plots">{% for png, caption in series %}{{ picture(png, caption, caption) }}{% endfor %}</div>
{{ table(alignment) }}
{% else %}
<p>The file keeps no shifts; the rotation axis was taken as the run gave it
{%- if axis %}, column {{ axis }}{% endif %}.</p>
{% endif %}
</section>

<section id="measurement">
<h2>Measurement</h2>
{% if measured %}
<div class="two"><div>{{ table(measured) }}</div>
<div>{% if calibrations %}<p class="soft">Calibrations used</p>{{ table(calibrations) }}{% endif %}
{% if knife_edge %}
{{ picture(knife_edge, "Knife-edge curve of the illumination.", "knife-edge curve") }}
{% endif %}</div>
</div>
{% else %}
<p>The run's documents were not at hand: only what the file itself keeps is told here.</p>
{% endif %}
</section>

<section id="settings">
<h2>Settings of the reconstruction</h2>
<div class="two"><div>{{ table(settings) }}</div></div>
</section>

<footer class="soft">{{ footer }}</footer>
</main>
</body>
</html>
"""
