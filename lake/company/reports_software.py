"""Whether new software did the robots good, and which variant holds its accuracy."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from typing import TYPE_CHECKING, Any

from lake.company.gold_variants import ANY, VARIANT, variant_scorecard
from lake.core.evidence import chance_of_rank
from lake.core.report import CHOSEN, COLOURS, Advice, Chart, Choice, Listing, Number, Said, counted, day, plain, spec
from lake.robot.gold import accuracy_day
from lake.robot.gold_work import software_scorecard, work_day
from lake.robot.reports import DRIFT_MM, drifting
from lake.robot.silver import boots

if TYPE_CHECKING:
    import pandas as pd

SOFTWARE = ["firmware", "models", "arm_variant"]
JUDGED = {"protective_stops": "protective stops", "slips": "slips", "grip_losses": "grip losses"}
VERDICTS = {"roll back": 0, "hold": 1, "keep": 2}
SELDOM = 0.1
"""Robots of one variant have drifted most of all with less than this chance,"""
THRICE = 3.0
"""and their median drift is so many times that of the others."""
RULE = (
    f"A variant counts as drifting if its robots' drifts rank above those of all others with a chance of less than "
    f"{SELDOM:.0%}, and their median is {DRIFT_MM} mm or more and {THRICE:.0f} times that of the others; of several "
    "such variants the clearest is named."
)
MOST_ROBOTS = 100


def newest(card: pd.DataFrame) -> pd.DataFrame:
    """The last week of each software on each arm, what harms first."""
    last = card.sort_values("week").drop_duplicates(SOFTWARE, keep="last")
    order = last["verdict"].map(VERDICTS).fillna(3)
    return last.assign(order=order, cycles=last["cycles"].astype(float)).sort_values(
        ["order", "week", *SOFTWARE], ascending=[True, False, True, True, True]
    )


def software_stories(card: pd.DataFrame) -> list[Said]:
    """A sentence for each software that is to be rolled back, with what became more frequent."""
    told: list[Said] = []
    for r in plain(newest(card)):
        if r["verdict"] != "roll back":
            continue
        harm = max(JUDGED, key=lambda name: r[f"{name}_times_low"] or 0.0)
        low, high = r[f"{harm}_times_low"], r[f"{harm}_times_high"]
        span = f"at least {low:.1f}" if high is None else f"{low:.1f} to {high:.1f}"
        told.append(
            (
                f"Firmware {r['firmware']} harms arm {r['arm_variant']}: {JUDGED[harm]} are ",
                Number(f"{r[f'{harm}_times']:.1f} times" if r[f"{harm}_times"] else "more", software_scorecard),
                f" as frequent as on the same {counted(r['robots_compared'], 'robot')} before ({span}), "
                f"in the weeks until that of {day_of(r['week'])}: roll back.",
            )
        )
    return told[:3]


def software_advice(card: pd.DataFrame) -> list[Advice]:
    """Software to roll back that still ran in the newest week."""
    last = newest(card)
    harmful = last[(last["verdict"] == "roll back") & (last["week"] == card["week"].max())]
    return [
        Advice(f"Roll back firmware {r['firmware']} on arm {r['arm_variant']}", software_scorecard)
        for r in plain(harmful.iloc[:2])
    ]


def day_of(text: str) -> str:
    from datetime import date

    return day(date.fromisoformat(text))


def software_list(card: pd.DataFrame) -> Listing:
    """Each software on each arm at its last week: keep, hold or roll back."""
    title = "Software scorecard"
    if card.empty:
        return Listing(title, "No robot's work is logged together with its software.", (software_scorecard,))
    rows = []
    for r in plain(newest(card)):
        told = {"firmware": r["firmware"], "arm": r["arm_variant"], "verdict": r["verdict"] or "nothing before"}
        told |= {"last week": r["week"], "robots": r["robots"], "compared": r["robots_compared"]}
        for name, words in JUDGED.items():
            times, low, high = (r[f"{name}_times{end}"] for end in ("", "_low", "_high"))
            change = "" if times is None else f" (× {times:.1f}: {low:.1f} to {'…' if high is None else f'{high:.1f}'})"
            rate = r[f"{name}_per_1000"]
            told[f"{words} in 1,000 cycles"] = "" if rate is None else f"{rate:.2f}{change}"
        rows.append(told | {"models": r["models"]})
    return Listing(
        title,
        "Each software at the last week it ran in, each robot held against its own 28 days before the update (×, with "
        "a 90 % interval). Roll back: something is at least a quarter more frequent, even at the lower end, and "
        "happened five times or more. Keep: nothing is, even at the upper end. Hold: too early to say.",
        (software_scorecard,),
        tuple(rows[:40]),
    )


def drift_stories(accuracy: pd.DataFrame, robots: pd.DataFrame) -> list[Said]:
    """The variant whose robots lose their accuracy, if there is one."""
    drift = drifting(accuracy).merge(robots, on="serial", how="inner")
    found = []
    for column in ("hand_variant", "arm_variant", "transmission", "end_effector"):
        for value, own in drift.groupby(column):
            others = drift[drift[column] != value]["drift"]
            if len(own) < 2 or len(others) < 2:
                continue
            chance = chance_of_rank(own["drift"].tolist(), others.tolist())
            own_median, rest = float(own["drift"].median()), float(others.median())
            if chance < SELDOM and own_median >= max(DRIFT_MM, THRICE * rest):
                what = column.split("_")[0]
                found.append((chance, -own_median / max(rest, 1e-3), f"{what} {value}", len(own), own_median, rest))
    if not found:
        return []
    chance, _, name, many, own_median, rest = min(found)
    return [
        (
            f"Robots with {name} lose their accuracy: ",
            Number(f"{own_median:.2f} mm", accuracy_day),
            f" since their first tests (median of {many}), against ",
            Number(f"{max(rest, 0.0):.2f} mm", accuracy_day),
            f" of all others; by chance {_seldom(chance)}.",
        )
    ]


def _seldom(chance: float) -> str:
    return f"once in {1 / chance:,.0f} times" if chance > 1e-6 else "less than once in a million times"


def variant_drift(card: pd.DataFrame) -> Chart:
    """Drift by hand variant, month by month, with its interval."""
    import altair as alt

    title = "Drift by hand variant"
    alone = [card[c] == ANY for c in VARIANT if c != "hand_variant"]
    of_hands = card[(card["hand_variant"] != ANY) & card["drift_mm"].notna()]
    for only in alone:
        of_hands = of_hands[only.reindex(of_hands.index)]
    if of_hands.empty:
        return Chart(title, "No variant of a hand was tested for accuracy.", (variant_scorecard,))
    names = ["drift_mm", "drift_mm_low", "drift_mm_high"]
    told = of_hands.assign(hand=of_hands["hand_variant"], **of_hands[names].astype(float)).sort_values(
        ["hand", "month"]
    )
    rows = plain(told[["hand", "month", *names, "robots_tested", "remark"]])
    base = alt.Chart(alt.InlineData(values=rows))
    hands = sorted(told["hand"].unique())
    shades = [COLOURS["note"], COLOURS["warn"], COLOURS["good"], COLOURS["bad"], COLOURS["calm"]]
    scale = alt.Scale(domain=hands, range=shades[: len(hands)])
    colour = alt.Color("hand:N", title=None, legend=alt.Legend(orient="top", symbolOpacity=1), scale=scale)
    x = alt.X("month:T", title=None).axis(format="%b %y", tickCount={"interval": "month", "step": 1}, labelOverlap=True)
    band = base.mark_area(opacity=0.18).encode(
        x=x, y=alt.Y("drift_mm_low:Q", title="mm"), y2="drift_mm_high:Q", color=colour
    )
    line = base.mark_line(point=True, strokeWidth=2).encode(
        x=x,
        y="drift_mm:Q",
        color=colour,
        tooltip=[
            "hand:N",
            alt.Tooltip("month:T", format="%B %Y"),
            alt.Tooltip("drift_mm:Q", format=".3f"),
            "robots_tested:Q",
        ],
    )
    return Chart(
        title,
        "Mean position error of its robots above that of each robot's first tests, in mm; bands: 90 % intervals over "
        "robots (none of a single robot).",
        (variant_scorecard,),
        (("", spec(alt.layer(band, line).properties(width="container", height=240))),),
        tuple(rows[-40:]),
    )


def accuracy_lines(accuracy: pd.DataFrame, work: pd.DataFrame, starts: pd.DataFrame) -> Chart:
    """One robot at a time: its position error over its cycles, with every update of its firmware."""
    import altair as alt

    title = "One robot's accuracy, and its firmware"
    if accuracy.empty:
        return Chart(title, "No accuracy test is in this release.", (accuracy_day,))
    tests = accuracy.assign(error=accuracy["position_error_mean_mm"].astype(float)).sort_values(["serial", "on"])
    worst = drifting(accuracy).sort_values(["drift", "serial"], ascending=[False, True])["serial"]
    counter = {s: CycleCounter(own) for s, own in work.sort_values("day").groupby("serial")}
    updated = updates(starts)
    shown = list(worst.iloc[:MOST_ROBOTS])
    counts = all(s in counter for s in shown)
    choices = tuple(
        robot_line(s, tests[tests["serial"] == s], counter.get(s) if counts else None, updated.get(s, []))
        for s in shown
    )
    data = alt.NamedData(name=CHOSEN)
    x = alt.X("at:Q", title="million cycles").axis(tickCount=6) if counts else alt.X("on:T", title=None)
    y = alt.Y("error:Q", title="mm").axis(tickCount=5).scale(domainMin=0)
    tests_of = alt.Chart(data).transform_filter("datum.error != null")
    tooltip = [alt.Tooltip("on:T", format="%-d %b %Y"), alt.Tooltip("error:Q", title="mm", format=".3f")]
    line = tests_of.mark_line(strokeWidth=1.5, color=COLOURS["note"]).encode(x=x, y=y)
    dots = tests_of.mark_circle(size=40, color=COLOURS["note"], opacity=1).encode(x=x, y=y, tooltip=tooltip)
    fresh = alt.Chart(data).transform_filter("datum.firmware != null")
    rules = fresh.mark_rule(color=COLOURS["muted"], strokeDash=[4, 3]).encode(x=x)
    names = fresh.mark_text(align="left", dx=4, dy=4, baseline="top").encode(x=x, y=alt.value(0), text="firmware:N")
    return Chart(
        title,
        "Mean error of the poses measured on a day, in mm; upright lines: from here on the robot ran this firmware. "
        + ("Over its cycles" if counts else "By day, as no counter of cycles is known")
        + "; the robot that drifted most comes first.",
        (accuracy_day, work_day, boots) if counts else (accuracy_day, boots),
        (("", spec(alt.layer(rules, line, dots, names).properties(width="container", height=260))),),
        choose="robot",
        choices=choices,
    )


def updates(starts: pd.DataFrame) -> dict[str, list[tuple[date, str]]]:
    """Robot → (day, firmware) of each start with other firmware than at the start before."""
    ordered = starts.sort_values(["serial", "at", "boot_id"])
    is_new = ordered["firmware"] != ordered.groupby("serial")["firmware"].shift()
    found: dict[str, list[tuple[date, str]]] = {}
    for serial, at, firmware in zip(*(ordered[is_new][c] for c in ("serial", "at", "firmware")), strict=True):
        found.setdefault(serial, []).append((at.date(), firmware))
    return found


class CycleCounter:
    """A robot's counter of cycles: where it stood in the evening of a day. `work`: its days, in order."""

    def __init__(self, work: pd.DataFrame) -> None:
        self.days, self.stood = work["day"].tolist(), [*work["cycle_first"].iloc[:1], *work["cycle_last"]]

    def at(self, on: date) -> float:
        """In millions; before its first day where that began."""
        return round(float(self.stood[bisect_right(self.days, on)]) / 1e6, 4)


def robot_line(
    serial: str, tests: pd.DataFrame, counter: CycleCounter | None, updated: list[tuple[date, str]]
) -> Choice:
    """A robot's tests and updates; `at`: its counter on that day, None where no counter is given."""
    fields: dict[str, Any] = dict.fromkeys(("on", "at", "error", "firmware"))
    rows = [
        fields | {"on": on.isoformat(), "at": counter and counter.at(on), "error": round(error, 4)}
        for on, error in zip(tests["on"], tests["error"], strict=True)
    ]
    first = tests["on"].min()
    for on, firmware in updated:
        shown = max(on, first)
        rows.append(fields | {"on": shown.isoformat(), "at": counter and counter.at(shown), "firmware": firmware})
    begin, end = tests["error"].iloc[0], tests["error"].iloc[-1]
    ran = ", ".join(f"{firmware} from {day(on)}" for on, firmware in updated[-3:])
    return Choice(serial, f"{begin:.3f} mm at first, {end:.3f} mm at last" + (f"; {ran}" if ran else ""), tuple(rows))
