"""Model cards as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def told(card: Mapping[str, Any]) -> str:
    """The card as Markdown: what is served and why, what it learnt from, its figures and its limits."""
    lines = [
        f"# {card['model']} {card['id']}",
        "",
        f"{card['says']} Served: the **{card['served']}** ({card['why']}).",
        "",
        f"- Baseline: {card['baseline']}",
        f"- Trained on {card['rows']:,} known outcomes of {card['features']:,} rows, through {card['through']}",
        f"- Owner: {card['owner']}",
        f"- Learns from: {', '.join(card['learns_from'])}",
        *[f"- Limit: {limit}" for limit in card["limits"]],
        "",
        "## Walking forward",
        "",
        *_lines("fold", [(f"{f['from']} – {f['until']}", f) for f in card["folds"]] + _in_all(card)),
        "",
        "## Slices",
        "",
        *_lines("slice", [(f"{s['column']} {s['value']}", s) for s in card["slices"]]),
    ]
    return "\n".join(lines) + "\n"


def _in_all(card: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [("in all", card["metrics"])] if card["metrics"] else []


def _lines(what: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    if not rows:
        return ["Too few known outcomes."]
    head = [f"| {what} | rows | MAE | of the baseline | pinball p90 | of the baseline | below p90 | of the baseline |"]
    head.append("|---|---|---|---|---|---|---|---|")
    figures = ("mae", "pinball_p90", "below_p90")
    return head + [
        f"| {name.replace('|', '/')} | {r['rows']} | "
        + " | ".join(f"{r[who][figure]:.2f}" for figure in figures for who in ("model", "baseline"))
        + " |"
        for name, r in rows
    ]
