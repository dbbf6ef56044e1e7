"""One page that needs nothing beside itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from .pictures import Picture
from .tables import Table

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a;
  background: #fff }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.2rem; margin-top: 2.5rem }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
thead th { border-bottom: 2px solid #1a1a1a } tr.group th { background: #f2f2f2; font-weight: 600 }
tbody th { font-weight: 600; white-space: nowrap } td { font-variant-numeric: tabular-nums }
td.yes { color: #005a8c } td.no { color: #a84700 } tr.absent td { color: #595959 }
p.foot, figcaption { color: #444; font-size: 13px; max-width: 60rem }
figure { margin: 1.5rem 0 } img { max-width: 100%; height: auto } dt { font-weight: 600 } dd { margin: 0 0 .5rem 0 }
"""


def page(result: dict[str, Any], tables: Sequence[Table], pictures: Sequence[Picture]) -> str:
    """The whole page as HTML."""
    machine = result["machine"]
    where = ", ".join(
        escape(str(part)) for part in (machine["system"], machine["processor"], machine["python"]) if part
    )
    drawn = [figure(picture) for picture in pictures]
    parts = [
        "<h1>Every way to get past the GIL, doing the same work</h1>",
        f'<p id="machine">{where}; {machine["cores"]} cores.</p>',
        *drawn[:1],
        *map(table, tables),
        *drawn[1:],
        descriptions(result["roads"]),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>The roads round the GIL</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def figure(picture: Picture) -> str:
    """A picture, inside the page."""
    data = base64.b64encode(picture.png).decode("ascii")
    return (
        f'<figure id="picture-{picture.name}"><h2>{escape(picture.title)}</h2>'
        f'<img alt="{escape(picture.title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def table(content: Table) -> str:
    """A table whose rows can be linked to."""
    width = len(content.columns)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in content.columns)
    rows = []
    for group, lines in content.sections:
        rows.append(f'<tr class="group"><th colspan="{width}" scope="colgroup">{escape(group)}</th></tr>')
        for line in lines:
            name = f'<th scope="row">{escape(line.road)}</th>'
            if line.remark:
                cells, kind = f'<td colspan="{width - 1}">{escape(line.remark)}</td>', ' class="absent"'
            else:
                cells, kind = "".join(map(cell, line.cells)), ""
            rows.append(f'<tr id="{content.name}-{escape(line.road)}"{kind}>{name}{cells}</tr>')
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return (
        f'<section id="table-{content.name}"><h2>{escape(content.title)}</h2>'
        f'<div class="table"><table>{body}</table></div><p class="foot">{escape(content.foot)}</p></section>'
    )


def cell(text: str) -> str:
    """A cell; yes and no are told apart by more than their words."""
    kind = text.split(" ", 1)[0]
    return f'<td class="{kind}">{escape(text)}</td>' if kind in ("yes", "no") else f"<td>{escape(text)}</td>"


def descriptions(rows: Sequence[dict[str, Any]]) -> str:
    """What each road is."""
    items = []
    for row in rows:
        text = f"{row['what']} {row['note']}".strip()
        items.append(f"<dt>{escape(row['name'])}</dt><dd>{escape(text)}</dd>")
    return f'<section id="what"><h2>What each road is</h2><dl>{"".join(items)}</dl></section>'
