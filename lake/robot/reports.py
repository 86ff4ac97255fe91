"""What the fleet engineer sees: which joint runs worse than it did, and which robot loses its accuracy."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lake.core.report import COLOURS, Advice, Chart, Page, Said, count, day, plain, spec
from lake.robot.gold import accuracy_day, joint_day

if TYPE_CHECKING:
    import pandas as pd

MOST_ROBOTS, MOST_PANELS = 25, 12
"""So many robots are drawn: those that changed most."""
VARIANTS = {"arm_variant": "arm", "hand_variant": "hand"}
QUIET_DAYS, LAST_DAYS = 14, 7
"""A joint's last week is held against its own quietest fortnight: a joint may have been worn when it was first seen."""
WORSE = 1.25
NAMES = ["serial", "joint", "quiet", "now", "ratio", "peak", "until"]
DRIFT_MM = 0.05
"""Mean position error so far above the first week's is worth a calibration."""


def condition(joints: pd.DataFrame, accuracy: pd.DataFrame, robots: pd.DataFrame) -> Page:
    """Which joint runs worse than it did, and which robot loses its accuracy? `robots`: what each is now."""
    variants = robots.rename(columns=VARIANTS)[["serial", *VARIANTS.values()]].drop_duplicates("serial")
    ran = joints[joints["samples"] > 0]
    if ran.empty and accuracy.empty:
        return Page(("No robot sent telemetry or was tested in this release.",))
    ran = ran.assign(error=ran["tracking_error_p95_rad"].astype(float) * 1000, joint=ran["joint"].astype(str))
    followed = ran.dropna(subset=["error"])
    held = compared(followed)
    drift = drifting(accuracy)
    worse = held[held["ratio"] >= WORSE]
    off = drift[drift["drift"] >= DRIFT_MM]
    advice = [
        Advice(
            f"Inspect joint {r['joint']} of {r['serial']}: tracking error {r['now']:.2f} mrad, "
            f"{r['ratio']:.2f} times its quietest fortnight",
            joint_day,
        )
        for r in plain(worse.nlargest(3, "ratio"))
    ] + [
        Advice(
            f"Calibrate {r['serial']}: position error up by {r['drift']:.2f} mm to {r['error']:.2f} mm "
            "since its first week of tests",
            accuracy_day,
        )
        for r in plain(off.nlargest(5, "drift"))
    ]
    note = "What a stop costs is not in the lake yet, so the list is sorted by how much worse it became."
    return Page(
        finding=(*joints_found(ran, held, worse), *robots_found(drift, off)),
        advice=tuple(advice[:5]),
        notes=(note,) if advice else (),
        charts=(
            heat(held.merge(variants, on="serial", how="left")) if len(held) else currents(ran),
            trend(followed, held),
            accuracy_trend(accuracy.merge(variants, on="serial", how="left")),
        ),
    )


def joints_found(ran: pd.DataFrame, held: pd.DataFrame, worse: pd.DataFrame) -> Said:
    if ran.empty:
        return ("No robot sent telemetry. ",)
    if held.empty:
        return (
            count(ran["serial"].nunique(), joint_day),
            " robot" if ran["serial"].nunique() == 1 else " robots",
            f" sent telemetry, last on {day(ran['day'].max())}, none long enough to be compared with its own past. ",
        )
    return (
        count(len(worse), joint_day),
        " of ",
        count(len(held), joint_day),
        f" joints follow their path at least {WORSE - 1:.0%} worse than in their quietest fortnight. ",
    )


def robots_found(drift: pd.DataFrame, off: pd.DataFrame) -> Said:
    if drift.empty:
        return ("No robot's accuracy was tested.",)
    return (
        count(len(off), accuracy_day),
        " of ",
        count(len(drift), accuracy_day),
        f" tested robots miss their poses by {DRIFT_MM} mm more than at first.",
    )


def compared(ran: pd.DataFrame) -> pd.DataFrame:
    """One row per robot and joint seen long enough: its daily 95 % tracking errors at best, now and at worst."""
    key = ["serial", "joint"]
    days = ran.sort_values([*key, "day"], ignore_index=True)
    joints = days.groupby(key, sort=False)
    best, worst = (joints["error"].rolling(n).mean().groupby(level=key, sort=False) for n in (QUIET_DAYS, LAST_DAYS))
    found = joints["day"].agg(begin="min", until="max").assign(quiet=best.min(), worst=worst.max())
    end = joints["day"].transform("max")
    is_recent = [(e - d).days < LAST_DAYS for e, d in zip(end, days["day"], strict=True)]
    recent = days.loc[days.index[is_recent]]
    found = found.assign(now=recent.groupby(key, sort=False)["error"].mean())
    seen = [(u - b).days >= QUIET_DAYS + LAST_DAYS for u, b in zip(found["until"], found["begin"], strict=True)]
    kept = found.assign(seen=seen)
    kept = kept[kept["seen"] & (kept["quiet"] > 0)].reset_index()
    kept = kept.assign(ratio=kept["now"] / kept["quiet"], peak=kept["worst"] / kept["quiet"])
    told: pd.DataFrame = kept[NAMES].astype(dict.fromkeys(["quiet", "now", "ratio", "peak"], float))
    return told


def drifting(accuracy: pd.DataFrame) -> pd.DataFrame:
    """One row per robot: mean of its last two days of tests against its first week."""
    import pandas as pd

    rows = []
    for serial, tests in accuracy.sort_values("on").groupby("serial"):
        last = tests.iloc[-2:]
        rows.append(
            {
                "serial": serial,
                "drift": last["drift_mm"].astype(float).mean(),
                "error": last["position_error_mean_mm"].astype(float).mean(),
            }
        )
    return pd.DataFrame(rows, columns=["serial", "drift", "error"]).astype({"drift": float, "error": float})


def heat(held: pd.DataFrame) -> Chart:
    """Robots × joints, coloured by how the tracking error changed."""
    import altair as alt

    title = "Tracking error by robot and joint"
    if held.empty:
        return Chart(
            title,
            f"No joint has been seen for the {QUIET_DAYS + LAST_DAYS} days that a comparison takes.",
            (joint_day,),
        )
    many = held["serial"].nunique()
    worst = held.groupby("serial")["ratio"].max().sort_values(ascending=False).index[:MOST_ROBOTS]
    held = held[held["serial"].isin(worst)]
    data = alt.InlineData(values=plain(held.assign(text=held["ratio"].map("{:.2f}".format))))
    height = max(120, 34 * held["serial"].nunique())
    place = {"x": alt.X("joint:N", title="joint").axis(orient="top", labelAngle=0), "y": alt.Y("serial:N", title=None)}
    cells = (
        alt.Chart(data)
        .mark_rect(stroke="white", strokeWidth=2)
        .encode(
            **place,
            color=alt.Color("ratio:Q", title="times its quietest fortnight")
            .scale(domain=[1, WORSE, 2], range=["#eef2f2", "#ecc88f", COLOURS["bad"]], clamp=True, interpolate="rgb")
            .legend(orient="bottom", gradientLength=240, values=[1, 1.25, 1.5, 2], format=".2f"),
            tooltip=[
                alt.Tooltip("serial:N", title="robot"),
                alt.Tooltip("joint:N"),
                alt.Tooltip("quiet:Q", title="quietest, mrad", format=".2f"),
                alt.Tooltip("now:Q", title="last week, mrad", format=".2f"),
                alt.Tooltip("ratio:Q", title="times", format=".2f"),
                alt.Tooltip("until:N", title="last seen"),
            ],
        )
    )
    text = (
        alt.Chart(data)
        .mark_text(fontSize=12)
        .encode(
            **place,
            text="text:N",
            color=alt.condition("datum.ratio >= 1.6", alt.value("white"), alt.value(COLOURS["ink"])),
        )
    )
    return Chart(
        title,
        f"The last {LAST_DAYS} days that a joint was seen, as a multiple of its own quietest fortnight: "
        "1.00 is as good as it ever was."
        + (f" The {MOST_ROBOTS} of {many} robots with the worst joints." if many > MOST_ROBOTS else ""),
        (joint_day,),
        (("", spec(alt.layer(cells, text).properties(width="container", height=height))),),
        tuple(plain(held.nlargest(20, "ratio")[[*NAMES, *VARIANTS.values()]])),
    )


def currents(ran: pd.DataFrame) -> Chart:
    """Robots × joints, coloured by the current they draw: what can be said before there is a past to compare with."""
    import altair as alt

    title = "Current by robot and joint"
    drawn = ran.assign(current=ran["current_p95_a"].astype(float)).dropna(subset=["current"])
    if drawn.empty:
        said = f"No joint has been seen for the {QUIET_DAYS + LAST_DAYS} days that a comparison takes."
        return Chart(title, said, (joint_day,))
    newest = drawn.sort_values("day").groupby(["serial", "joint"]).tail(1)
    newest = newest.assign(text=newest["current"].map("{:.2f}".format))[["serial", "joint", "day", "current", "text"]]
    data = alt.InlineData(values=plain(newest))
    place = {"x": alt.X("joint:N", title="joint").axis(orient="top", labelAngle=0), "y": alt.Y("serial:N", title=None)}
    color = alt.Color("current:Q", title="A").scale(range=["#eef2f2", COLOURS["note"]], interpolate="rgb").legend(None)
    cells = alt.Chart(data).mark_rect(stroke="white", strokeWidth=2).encode(**place, color=color)
    light = alt.condition(
        f"datum.current > {newest['current'].max() * 0.6}", alt.value("white"), alt.value(COLOURS["ink"])
    )
    text = alt.Chart(data).mark_text(fontSize=12).encode(**place, text="text:N", color=light)
    height = max(60, 34 * newest["serial"].nunique())
    return Chart(
        title,
        "What 95 % of the samples of a joint's last day stayed below, in A; there is no past to compare it with yet.",
        (joint_day,),
        (("", spec(alt.layer(cells, text).properties(width="container", height=height))),),
        tuple(plain(newest[["serial", "joint", "day", "current"]].head(20))),
    )


def trend(ran: pd.DataFrame, held: pd.DataFrame) -> Chart:
    """The joints that were once far from their best, day by day."""
    import altair as alt

    title = "The joints that strayed most"
    top = held[held["peak"] >= WORSE].nlargest(4, "peak")
    if top.empty:
        said = f"No joint is known to have had a week {WORSE - 1:.0%} worse than its quietest fortnight."
        return Chart(title, said, (joint_day,))
    panels, rows = [], []
    keys = set(zip(top["serial"], top["joint"], strict=True))
    highest = max(ran[(ran["serial"] == s) & (ran["joint"] == j)]["error"].max() for s, j in keys)
    joint: Any
    for joint in top.itertuples():
        days = ran[(ran["serial"] == joint.serial) & (ran["joint"] == joint.joint)].sort_values("day")
        base = alt.Chart(alt.InlineData(values=plain(days[["day", "error", "faults", "temperature_mean_c"]])))
        x = alt.X("day:T", title=None).axis(format="%-d %b", tickCount=4)
        y = alt.Y("error:Q", title=None).scale(domain=[0, float(highest)]).axis(tickCount=4)
        line = base.mark_line(strokeWidth=1.5, color=COLOURS["note"]).encode(x=x, y=y)
        dots = base.mark_circle(size=14, color=COLOURS["note"]).encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("day:T", format="%-d %b"),
                alt.Tooltip("error:Q", title="mrad", format=".2f"),
                "faults:Q",
            ],
        )
        first = (
            alt.Chart(alt.InlineData(values=[{"quiet": joint.quiet}]))
            .mark_rule(strokeDash=[4, 3], color=COLOURS["muted"])
            .encode(y="quiet:Q")
        )
        panels.append(
            (
                f"{joint.serial}, joint {joint.joint}: {joint.peak:.1f}×",
                spec(alt.layer(line, dots, first).properties(width="container", height=150)),
            )
        )
        rows += [
            {"robot": joint.serial, "joint": joint.joint, **r}
            for r in plain(days[["day", "error", "faults"]].iloc[-5:])
        ]
    return Chart(
        title,
        "Daily 95 % tracking error in mrad, on one scale; dashed: the joint's quietest fortnight; "
        "beside its name: its worst week as a multiple of that.",
        (joint_day,),
        tuple(panels),
        tuple(rows),
        small=True,
    )


def accuracy_trend(accuracy: pd.DataFrame) -> Chart:
    """Mean position error of each robot, test by test."""
    import altair as alt

    title = "Position error of each robot"
    if accuracy.empty:
        return Chart(title, "No accuracy test is in this release.", (accuracy_day,))
    tests = accuracy.assign(
        error=accuracy["position_error_mean_mm"].astype(float), first=accuracy["first_error_mean_mm"].astype(float)
    ).sort_values(["serial", "on"])
    end = tests["on"].max()
    tests = tests[tests["on"] > end - timedelta(180)]
    newest = tests.drop_duplicates("serial", keep="last")
    most = newest.assign(grown=newest["error"] - newest["first"]).sort_values("grown", ascending=False)["serial"]
    tests = tests[tests["serial"].isin(most[:MOST_PANELS])]
    highest = float(tests["error"].max())
    panels = []
    for serial, own in tests.groupby("serial"):
        base = alt.Chart(alt.InlineData(values=plain(own[["on", "error", "first", "poses", "arm", "hand"]])))
        x = alt.X("on:T", title=None).axis(format="%-d %b", tickCount=4)
        y = alt.Y("error:Q", title=None).scale(domain=[0, highest]).axis(tickCount=4)
        line = base.mark_line(strokeWidth=1.5, color=COLOURS["note"]).encode(x=x, y=y)
        dots = base.mark_circle(size=26, color=COLOURS["note"]).encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("on:T", format="%-d %b %Y"),
                alt.Tooltip("error:Q", title="mm", format=".3f"),
                "poses:Q",
            ],
        )
        first = base.mark_rule(strokeDash=[4, 3], color=COLOURS["muted"]).encode(y="mean(first):Q")
        panels.append((str(serial), spec(alt.layer(line, dots, first).properties(width="container", height=130))))
    newest = tests.drop_duplicates("serial", keep="last")[["serial", "arm", "hand", "on", "error", "first", "poses"]]
    said = (
        f"Mean error of the measured poses in mm, on one scale, in the half year until {day(end)}; "
        "dashed: its first week of tests."
        + (f" The {MOST_PANELS} of {len(most)} robots that drifted most." if len(most) > MOST_PANELS else "")
    )
    return Chart(title, said, (accuracy_day,), tuple(panels), tuple(plain(newest)), small=True)
