"""How the report looks: on a screen, on a phone, and on paper."""

from __future__ import annotations

HEAD = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
"""Without the second a phone lays the page out for a desk and shrinks it beyond reading."""
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;
overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
h1{margin-bottom:0}h2{margin-top:2rem;border-bottom:1px solid #ddd}
img{max-width:100%;height:auto}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}
td,th{overflow-wrap:normal}td:first-child{min-width:7rem}td.m{min-width:14rem;color:#555}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.v{max-width:26rem;overflow-wrap:anywhere}
.told td.n{text-align:left;max-width:16rem}
pre{overflow-x:auto;max-width:100%}
.warn{background:#fff4d6;padding:.5rem 1rem}
.converged{color:#00734f}.exhausted,.running{color:#9a5b00}.failed{color:#b00020}
@media (max-width:40rem){body{margin:.5rem auto;padding:0 .6rem;font-size:14px}
ul{padding-left:1.2rem}.warn{padding:.4rem .6rem}td,th{padding-right:.6rem}
.told thead{display:none}.told tr{display:block;padding:.25rem 0;border-bottom:1px solid #eee}
.told td{display:inline-block;padding:0 .6rem 0 0;min-width:0;max-width:none}
.told td.n{font-weight:600}.told td.m{display:block;min-width:0}}
@media print{@page{margin:15mm}body{max-width:none;margin:0;padding:0;font-size:10pt;color:#000}
.wide,pre{overflow:visible}pre{white-space:pre-wrap;font-size:8pt}
h2{break-after:avoid}img,tr,.warn{break-inside:avoid}thead{display:table-header-group}
.warn{background:none;border:1px solid #000}.closed{display:none}
td.m{color:#000}td:first-child,td.m{min-width:0}}
"""
"""What is wider than the page scrolls by itself; on paper it is wrapped instead."""
