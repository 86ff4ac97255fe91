"""What the planner sees: where stock is too much, where too little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lake.core.report import COLOURS, Advice, Chart, Number, Page, Said, counted, dearest, money, plain, spec
from lake.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

COMPANY = "*"
NO_DEMAND_DAYS = 10_000
"""Where the dots of items without demand stand on the axis of cover."""
CLASSES = {
    "obsolete": COLOURS["bad"],
    "excess": COLOURS["warn"],
    "waiting": COLOURS["note"],
    "none": COLOURS["good"],
}
MADE = ("arm", "hand", "kit")
NAMES = {"obsolete": "obsolete", "excess": "excess", "waiting": "waiting for a part", "none": "needed"}


def stock(position: pd.DataFrame, table: Table) -> Page:
    """Where money is frozen, and what runs short. `position`: an item's stock by site, and for all (*)."""
    company = position[position["site"] == COMPANY]
    if company.empty:
        return Page((f"{table.id} has no rows in this release: there is no stock to report on.",))
    numbers = ["on_hand", "available", "on_order", "demand_p50", "demand_p90", "value", "frozen_quantity"]
    numbers += [
        "obsolete",
        "excess",
        "waiting",
        "order_up_to",
        "frozen_value",
        "carrying_cost_month",
        "unit_cost",
        "days_of_cover",
        "demand_90_days",
    ]
    items = company.assign(**{name: company[name].astype(float) for name in numbers})
    currency = str(items["currency"].mode().iat[0]) if items["currency"].notna().any() else ""
    items = items[items["currency"].fillna(currency) == currency]
    return Page(
        finding=finding(items, currency, table),
        advice=dearest([*too_much(items, position, table), *too_little(items, table)]),
        charts=(cover(items, currency, table), curve(items, currency, table)),
    )


def finding(items: pd.DataFrame, currency: str, table: Table) -> Said:
    value, frozen = items["value"].clip(lower=0).sum(), items["frozen_value"].sum()
    if frozen <= 0:
        return ("Of ", Number(money(value, currency), table), " on the shelves, nothing is frozen.")
    ranked = items["frozen_value"].sort_values(ascending=False)
    few = min(3, int((ranked > 0).sum()))
    return (
        Number(money(frozen, currency), table),
        " of the ",
        Number(money(value, currency), table),
        " on the shelves (",
        Number(f"{frozen / value:.0%}", table),
        ") is frozen and costs ",
        Number(money(items["carrying_cost_month"].sum(), currency), table),
        " a month; ",
        counted(few, "item holds", "items hold"),
        " ",
        Number(f"{ranked.iloc[:few].sum() / frozen:.0%}", table),
        " of it. ",
        *by_class(items, currency, table),
    )


def by_class(items: pd.DataFrame, currency: str, table: Table) -> Said:
    """The frozen money of each class, and the parts that most of the waiting money waits for."""
    amounts = {c: (items[c] * items["unit_cost"]).sum() for c in ("obsolete", "excess", "waiting")}
    told: list[str | Number] = []
    for name, amount in amounts.items():
        if amount > 0:
            told += [", " if told else "", Number(money(amount, currency), table), f" {NAMES[name]}"]
    waits = items[items["waiting"] > 0]
    worth = (waits["waiting"] * waits["unit_cost"]).groupby(waits["waiting_for"]).sum().sort_values(ascending=False)
    missing = f", most of it for {' and '.join(map(str, worth.index[:3]))}" if len(worth) else ""
    return (*told, f"{missing}.")


def too_much(items: pd.DataFrame, position: pd.DataFrame, table: Table) -> list[Advice]:
    """Obsolete stock to part with, and excess to run down."""
    found = []
    row: Any
    for row in items[items["frozen_value"] > 0].nlargest(10, "frozen_value").itertuples():
        sites = position[(position["item_id"] == row.item_id) & (position["site"] != COMPANY)]
        sites = sites.assign(on_hand=sites["on_hand"].astype(float)).nlargest(3, "on_hand")
        where = ", ".join(f"{s['site']} {s['on_hand']:,.0f}" for s in plain(sites) if s["on_hand"] > 0)
        if row.frozen_class == "obsolete":
            wanted = f"{row.demand_90_days:,.0f} needed in the last 90 days" if row.demand_90_days else "no demand"
            why = f"{wanted}, lifecycle {row.lifecycle}" if row.lifecycle else wanted
            text = f"Sell or scrap {row.frozen_quantity:,.0f} × {row.item_id} ({where}): {why}"
        elif row.frozen_class == "waiting":
            text = (
                f"Get {row.waiting_for}: {row.frozen_quantity:,.0f} × {row.item_id} ({where}) wait for it to be built"
            )
        else:
            need = (
                f"{row.order_up_to:,.0f} are planned at most"
                if row.order_up_to == row.order_up_to
                else f"{row.protection_days} days rarely take more than {row.demand_p90:,.0f}"
            )
            stop = "Stop building" if row.kind in MADE else "Stop buying"
            text = (
                f"{stop} {row.item_id} and run down {row.frozen_quantity:,.0f} of {row.on_hand:,.0f} ({where}): {need}"
            )
        found.append(Advice(text, table, row.frozen_value, row.currency))
    return found


def too_little(items: pd.DataFrame, table: Table) -> list[Advice]:
    """Products to build: what is there does not reach the median demand until more can be. Parts are the buyer's."""
    coming = items["available"] + items["on_order"]
    short = items.assign(missing=items["demand_p90"] - coming)[
        (coming < items["demand_p50"]) & items["lifecycle"].ne("obsolete") & items["kind"].isin(MADE)
    ]
    found = []
    row: Any
    for row in short.itertuples():
        amount = row.missing * row.unit_cost
        text = (
            f"Build {row.missing:,.0f} × {row.item_id}: {_signed(row.available)} available, "
            f"{row.demand_p50:,.0f} to {row.demand_p90:,.0f} needed in {row.protection_days} days"
        )
        found.append(Advice(text, table, amount if amount == amount else None, row.currency or ""))
    return found


def _signed(number: float) -> str:
    return f"{number:,.0f}".replace("-", "−")


def cover(items: pd.DataFrame, currency: str, table: Table) -> Chart:
    """Value against days of cover, one dot an item."""
    import altair as alt

    there = items[(items["value"] > 0) & (items["available"] > 0)]
    if there.empty:
        return Chart("Value and days of cover", "Nothing with a cost is on the shelves.", (table,))
    shown = there.assign(
        cover=there["days_of_cover"].fillna(NO_DEMAND_DAYS).clip(1, NO_DEMAND_DAYS),
        said=there["days_of_cover"].map(lambda d: "no demand in 90 days" if d != d else f"{d:,.0f} days"),
        **{"class": there["frozen_class"].map(NAMES)},
    )
    columns = ["item_id", "kind", "class", "cover", "said", "value", "frozen_value", "on_hand"]
    ticks = [1, 10, 100, 1000, NO_DEMAND_DAYS]
    label = f"datum.value >= {NO_DEMAND_DAYS} ? 'none' : format(datum.value, ',')"
    dots = (
        alt.Chart(alt.InlineData(values=plain(shown[columns])))
        .mark_circle(size=55, opacity=0.75, stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("cover:Q", title="days of cover (none: no demand in 90 days)")
            .scale(type="log", domain=[1, NO_DEMAND_DAYS])
            .axis(values=ticks, labelExpr=label),
            y=alt.Y("value:Q", title=f"value on hand, {currency}").scale(type="log").axis(format=",.0f", tickCount=5),
            color=alt.Color("class:N", title=None)
            .scale(domain=[NAMES[c] for c in CLASSES], range=list(CLASSES.values()))
            .legend(orient="top"),
            tooltip=[
                alt.Tooltip("item_id:N", title="item"),
                alt.Tooltip("kind:N"),
                alt.Tooltip("on_hand:Q", title="on hand", format=",.0f"),
                alt.Tooltip("said:N", title="cover"),
                alt.Tooltip("value:Q", title=f"value, {currency}", format=",.0f"),
                alt.Tooltip("frozen_value:Q", title=f"frozen, {currency}", format=",.0f"),
            ],
        )
        .properties(width="container", height=320)
    )
    away = len(items) - len(there)
    rest = f" {counted(away, 'item')} with nothing available, or without a cost, cannot be drawn." if away else ""
    return Chart(
        "Value and days of cover",
        f"One dot is one item over all sites, on logarithmic scales: high and right is money that does not move.{rest}",
        (table,),
        (("", spec(dots)),),
        tuple(
            plain(shown.nlargest(20, "value")[["item_id", "kind", "class", "on_hand", "said", "value", "frozen_value"]])
        ),
        beside=True,
    )


def curve(items: pd.DataFrame, currency: str, table: Table) -> Chart:
    """Frozen money added up, dearest item first."""
    import altair as alt

    frozen = items[items["frozen_value"] > 0].sort_values("frozen_value", ascending=False)
    if frozen.empty:
        return Chart("Frozen money, added up", "No money is frozen in this release.", (table,))
    total = frozen["frozen_value"].sum()
    ranked = frozen.assign(
        rank=range(1, len(frozen) + 1),
        so_far=frozen["frozen_value"].cumsum(),
        **{"class": frozen["frozen_class"].map(NAMES)},
    )
    enough = int((ranked["so_far"] < 0.8 * total).sum()) + 1
    columns = ["rank", "item_id", "class", "frozen_value", "so_far"]
    start: dict[str, Any] = {"rank": 0, "so_far": 0.0}
    data = alt.InlineData(values=[start, *plain(ranked[columns])])
    x = alt.X("rank:Q", title="items, dearest first").axis(tickMinStep=1, tickCount=6)
    y = alt.Y("so_far:Q", title=f"frozen so far, {currency}").axis(format=",.0f", tickCount=5).scale(domainMin=0)
    line = (
        alt.Chart(data).mark_area(line={"color": COLOURS["muted"]}, color=COLOURS["line"], opacity=0.5).encode(x=x, y=y)
    )
    dots = (
        alt.Chart(data)
        .mark_circle(size=55)
        .transform_filter("datum.rank > 0")
        .encode(
            x=x,
            y=y,
            color=alt.Color("class:N", title=None)
            .scale(domain=[NAMES[c] for c in CLASSES][:3], range=list(CLASSES.values())[:3])
            .legend(orient="top"),
            tooltip=[
                alt.Tooltip("item_id:N", title="item"),
                alt.Tooltip("frozen_value:Q", title=f"frozen, {currency}", format=",.0f"),
                alt.Tooltip("so_far:Q", title="so far", format=",.0f"),
            ],
        )
    )
    return Chart(
        "Frozen money, added up",
        f"{counted(enough, 'item makes', 'items make')} 80 % of {money(total, currency)}."
        if enough < len(frozen)
        else f"{counted(len(frozen), 'item makes', 'items make')} {money(total, currency)}.",
        (table,),
        (("", spec(alt.layer(line, dots).properties(width="container", height=320))),),
        tuple(plain(ranked.iloc[:20][columns])),
        beside=True,
    )
