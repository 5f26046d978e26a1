"""The final report as one self-contained HTML page: no scripts, no external links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2

_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.hosted_cluster }}: {{ report.command }}, {{ report.state }}</title>
<style>
:root { color-scheme: light dark; }
:root { --line: #8885; --ok: #1a7f37; --warning: #9a6700; --blocked: #cf222e; --bar: #0969da; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
code { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.why { opacity: .8; }
.verdict { font-weight: 600; color: var(--warning); }
.ok, .done { color: var(--ok); }
.blocked { color: var(--blocked); }
.bar { background: var(--bar); height: .6rem; min-width: 1px; margin-top: .45rem; }
</style>
</head>
<body>
<h1>{{ report.hosted_cluster }}</h1>
<p>{{ report.command }} from {{ report["from"] }} to {{ report.to }}:
<span class="verdict {{ 'done' if report.state == 'done' }}">{{ report.state }}</span></p>
<dl>
<dt>hosted API unavailable</dt>
<dd>{% if report.api_away_s is none %}never, or still{% else %}{{ "%.1f"|format(report.api_away_s) }} s{% endif %}</dd>
<dt>began</dt><dd>{{ report.began or "-" }}</dd>
<dt>ended</dt><dd>{{ report.ended or "-" }}</dd>
<dt>hcp-dr</dt><dd>{{ report.versions|join(", ") or "-" }}</dd>
<dt>backup folder</dt><dd>{{ report.backup.folder }}</dd>
<dt>in the bucket</dt><dd>{{ report.backup.bucket }}, {{ report.backup.key }}</dd>
</dl>
<h2>What remains to be done by hand</h2>
<ul>
{% for text in report.to_do %}<li>{{ text }}</li>
{% endfor %}</ul>
{% if report.alarms %}
<h2>Alarms</h2>
<table>
<tr><th>at</th><th>watch</th><th>alarm</th></tr>
{% for alarm in report.alarms %}<tr><td>{{ alarm.at }}</td><td>{{ alarm.watch }}</td><td>{{ alarm.text }}</td></tr>
{% endfor %}</table>
{% endif %}
<h2>Checks</h2>
<table>
<tr><th>verdict</th><th>step</th><th>check</th><th>finding</th></tr>
{% for check in report.checks %}<tr>
<td class="verdict {{ check.verdict }}">{{ check.verdict }}</td>
<td><code>{{ check.step }}</code></td><td><code>{{ check.name }}</code></td>
<td>{{ check.seen }}{% if check.verdict != "ok" and check.why %}<br>
<span class="why">why it matters: {{ check.why }}</span>{% endif %}</td>
</tr>
{% endfor %}</table>
<h2>Steps</h2>
<table>
<tr><th>done at</th><th>step</th><th>reason</th><th class="number">seconds</th><th></th></tr>
{% for step in report.steps %}<tr>
<td>{{ step.done }}</td><td><code>{{ step.name }}</code></td><td>{{ step.because or "" }}</td>
<td class="number">{% if step.seconds is not none %}{{ "%.1f"|format(step.seconds) }}{% endif %}</td>
<td style="width: 8rem">
<div class="bar" style="width: {{ "%.1f"|format(100 * (step.seconds or 0) / longest) }}%"></div></td>
</tr>
{% endfor %}</table>
</body>
</html>
"""


def to_html(report: Mapping[str, Any]) -> str:
    """`report` is the result of `relocation.to_json`."""
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_TEMPLATE)
    seconds = [float(step["seconds"] or 0) for step in report["steps"]]
    return page.render(report=report, longest=max(seconds, default=0) or 1)
