"""What a forecast may know: everything told before the order's day, and nothing else."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lake.supply import gold, gold_told, models, silver
from lake.supply.lead_times import LAST, SCOPES, labelled, looked_back, placed, quoted, waiting_lines

BEGIN = date(2026, 1, 1)
ORDERED = (
    "order_id line revision supplier_id part_id ship_to_site transport_mode quantity unit_price currency "
    "ordered_at promised_on status changed_at route known_on source_system"
)
RECEIVED = "receipt_id order_id line received_at quantity known_on source_system"
AGREED = "supplier_id part_id quoted_lead_time_days known_on"


def at(day: int) -> date:
    return BEGIN + timedelta(days=day)


def word(
    order: str, placed_on: int, *, known: int | None = None, revision: int = 0, status: str = "open",
    promised: int = 20, supplier: str = "S-1", part: str = "P-1", site: str = "ZRH", system: str = "erp",
) -> tuple[Any, ...]:  # fmt: skip
    told = placed_on + 1 if known is None else known
    return (
        order, 1, revision, supplier, part, site, "air", 10, 1, "EUR", f"{at(placed_on)}T08:00:00Z",
        str(at(promised)), status, f"{at(told)}T08:00:00Z", "direct", str(at(told)), system,
    )  # fmt: skip


def receipt(order: str, came_on: int, *, known: int | None = None, system: str = "erp") -> tuple[Any, ...]:
    told = came_on + 1 if known is None else known
    return (f"R-{order}-{came_on}", order, 1, f"{at(came_on)}T08:00:00Z", 10, str(at(told)), system)


@pytest.fixture
def features(given):
    """features(words, receipts, agreements): the features of these records, as order → row."""

    def made(words, receipts, agreements=()) -> dict[str, Any]:
        changes = given(silver.order_line_changes, ORDERED, *words)
        came = given(silver.receipts, RECEIVED, *receipts)
        inspections = given(silver.inspections, "inspection_id")
        facts = gold.fct_order_line(changes, came, inspections)
        told = gold_told.order_line_told(changes, came)
        rows = models.lead_time_features(told, given(silver.supplier_parts, AGREED, *agreements), facts)
        return {r["order_id"]: r.asDict() for r in rows.collect()}

    return made


def test_a_row_knows_only_what_was_told_before_its_day(features):
    rows = features(
        [
            *(word("A", 0), word("B", 1), word("C", 10), word("D", 12), word("E", 13), word("F", 14)),
            word("X", -1, known=0, supplier="S-2"),
        ],
        [receipt("X", 0, known=0), receipt("A", 8, known=9), receipt("B", 9, known=12)],
        [("S-1", "P-1", 15, str(at(5))), ("S-1", "P-1", 18, str(at(12)))],
    )
    assert rows["A"]["supplier_median"] is None and rows["A"]["open_lines"] == 0
    assert (rows["C"]["supplier_median"], rows["C"]["supplier_known"], rows["C"]["supplier_age"]) == (8, 1, 1)
    assert rows["D"]["supplier_known"] == 1, "what becomes known on the day itself comes too late"
    assert (rows["E"]["supplier_known"], rows["E"]["supplier_median"]) == (2, 8)
    assert [rows[o]["quoted_days"] for o in "ACDEF"] == [None, 15, 15, 18, 18]
    assert [rows[o]["lead_time_days"] for o in "ABC"] == [8, 8, None]
    assert rows["B"]["known_on"] == at(12)
    assert [rows[o]["is_waiting"] for o in "ABC"] == [False, False, True]


def test_the_first_word_of_a_line_counts_and_whatever_was_told_first(given):
    changes = given(
        silver.order_line_changes, ORDERED,
        word("A", 0, known=1, promised=20), word("A", 0, known=8, revision=1, promised=30, supplier="S-2"),
        word("A", 0, known=9, revision=2, status="closed"), word("A", 0, known=12, revision=3, status="closed"),
        word("B", 2),
    )  # fmt: skip
    came = given(silver.receipts, RECEIVED, receipt("A", 7, known=8), receipt("A", 5, known=10), receipt("X", 1))
    told = {r["order_id"]: r for r in gold_told.order_line_told(changes, came).collect()}
    assert told.keys() == {"A", "B"}
    first = told["A"]
    assert [first[c] for c in ("supplier_id", "promised_on", "known_on")] == ["S-1", at(20), at(1)]
    assert (first["heard_of_on"], first["heard_of_known_on"]) == (at(7), at(8))
    assert (first["received_on"], first["received_known_on"]) == (at(5), at(10))
    assert (first["given_up_on"], first["given_up_known_on"]) == (at(9), at(9))
    later = [c for c in told["B"].asDict() if c.startswith(("heard", "received", "given_up"))]
    assert [told["B"][c] for c in later] == [None] * 6


def test_a_promise_rewritten_after_the_fact_is_no_feature(features):
    rows = features(
        [
            word("PUBLIC", 0, promised=25, system="scms"),
            word("LATE", 1, known=30, promised=26),
            word("OWN", 2, promised=20),
            word("OWN", 2, known=22, revision=1, promised=27),
        ],
        [receipt("PUBLIC", 25, system="scms"), receipt("OWN", 27)],
    )
    assert {o: r["promised_days"] for o, r in rows.items()} == {"PUBLIC": None, "LATE": None, "OWN": 18}


def test_a_late_backfill_does_not_enter_old_rows_and_a_first_delivery_does(features):
    first = [word("OLD", -90, known=0), word("OLDER", -80, known=0), word("NOW", 5), word("LATER", 50)]
    rows = features(
        [*first, word("BACKFILL", -70, known=40)],
        [receipt("OLD", -80, known=0), receipt("OLDER", -60, known=0), receipt("BACKFILL", -65, known=40)],
    )
    assert (rows["NOW"]["supplier_known"], rows["NOW"]["supplier_median"]) == (2, 15)
    assert rows["OLDER"]["supplier_known"] is None, "on the day it was placed OLD had come that very day"
    assert (rows["LATER"]["supplier_known"], rows["LATER"]["supplier_median"]) == (3, 10)


def test_a_cancelled_line_is_neither_waited_for_nor_learnt_from(features):
    rows = features(
        [word("A", 0), word("A", 0, known=4, revision=1, status="cancelled"), word("B", 3), word("C", 6)], []
    )
    assert (rows["B"]["open_lines"], rows["C"]["open_lines"]) == (1, 1)
    assert rows["A"]["is_waiting"] is False and rows["A"]["lead_time_days"] is None


class Story:
    """Random records of a few suppliers, told late, twice and out of order."""

    def __init__(self, seed: int, lines: int = 60) -> None:
        dice = random.Random(seed)
        self.words, self.receipts, self.agreements = [], [], []
        for n in range(lines):
            order, placed_on = f"O-{n:02}", dice.randrange(0, 90)
            told = placed_on + dice.choice([0, 1, 1, 2, 30])
            where = {
                "supplier": f"S-{dice.randrange(2)}",
                "part": f"P-{dice.randrange(3)}",
                "site": dice.choice(["ZRH", "LYS"]),
            }
            self.words.append(word(order, placed_on, known=told, promised=placed_on + 20, **where))
            if dice.random() < 0.3:
                status = dice.choice(["open", "cancelled", "closed"])
                self.words.append(
                    word(order, placed_on, known=told + dice.randrange(1, 40), revision=1, status=status, **where)
                )
            for _ in range(dice.choice([0, 1, 1, 2])):
                came_on = placed_on + dice.randrange(1, 40)
                self.receipts.append(receipt(order, came_on, known=came_on + dice.choice([0, 1, 1, 25])))
        for n in range(12):
            self.agreements.append((f"S-{n % 2}", f"P-{n % 3}", dice.randrange(5, 40), str(at(n * 8))))

    def until(self, day: int) -> "Story":
        """What had been told until the end of `day`."""
        past = object.__new__(Story)
        last = str(at(day))
        past.words = [w for w in self.words if w[15] <= last]
        past.receipts = [r for r in self.receipts if r[5] <= last]
        past.agreements = [a for a in self.agreements if a[3] <= last]
        return past


POINT_IN_TIME = [
    c.name for c in models.lead_time_features.columns if c.name not in ("lead_time_days", "known_on", "is_waiting")
]


def test_what_is_told_later_changes_no_earlier_row(features):
    story = Story(3)
    shuffled = Story(3)
    for records in (shuffled.words, shuffled.receipts, shuffled.agreements):
        random.Random(1).shuffle(records)
    whole = features(shuffled.words, shuffled.receipts, shuffled.agreements)
    past = story.until(55)
    then = features(past.words, past.receipts, past.agreements)
    assert len(then) >= 25
    for order, row in then.items():
        assert {c: row[c] for c in POINT_IN_TIME} == {c: whole[order][c] for c in POINT_IN_TIME}, order


@pytest.mark.parametrize("seed", [1, 2])
def test_features_equal_a_brute_force_oracle(given, seed):
    story = Story(seed)
    changes = given(silver.order_line_changes, ORDERED, *story.words)
    came = given(silver.receipts, RECEIVED, *story.receipts)
    lines = placed(gold_told.order_line_told(changes, came))
    found = (
        lines.join(looked_back(lines), on=["order_id", "line"])
        .join(quoted(lines, given(silver.supplier_parts, AGREED, *story.agreements)), on=["order_id", "line"])
        .join(waiting_lines(lines), on=["order_id", "line"])
    )
    rows = {r["order_id"]: r.asDict() for r in found.collect()}
    wanted = oracle(story)
    assert rows.keys() == wanted.keys()
    for order, figures in wanted.items():
        assert {k: (None if rows[order][k] is None else float(rows[order][k])) for k in figures} == figures, order


def oracle(story: Story) -> dict[str, dict[str, float | None]]:
    """The same figures by looping over everything for every line."""

    def told(known: str, happened: str, first: str) -> str:
        return min(happened, known) if known == first else known

    first_word, first_receipt = min(w[15] for w in story.words), min(r[5] for r in story.receipts)
    lines: dict[str, dict[str, Any]] = {}
    for w in sorted(story.words, key=lambda w: (w[15], w[2])):
        on = w[10][:10]
        lines.setdefault(
            w[0],
            {
                "on": on, "told": told(w[15], on, first_word), "supplier_id": w[3], "part_id": w[4],
                "ship_to_site": w[5], "transport_mode": w[6], "known": None, "days": None, "given_up": None,
            },
        )  # fmt: skip
    for order, line in lines.items():
        heard = [(told(r[5], r[3][:10], first_receipt), r[3][:10]) for r in story.receipts if r[1] == order]
        if heard:
            when, came_on = min(heard)
            line["known"] = max(when, came_on, line["told"])
            line["days"] = (date.fromisoformat(came_on) - date.fromisoformat(line["on"])).days
        ends = [
            told(w[15], w[13][:10], first_word)
            for w in story.words
            if w[0] == order and w[12] in gold.NO_LONGER_WAITED_FOR
        ]
        line["given_up"] = min(ends, default=None)
    return {order: figures_of(line, list(lines.items()), story) for order, line in lines.items()}


def figures_of(line: dict[str, Any], lines: list[tuple[str, dict[str, Any]]], story: Story) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for scope, shared in SCOPES.items():
        known = sorted(
            (other["known"], order, other["days"])
            for order, other in lines
            if other["known"] and other["known"] < line["on"] and all(other[c] == line[c] for c in shared)
        )
        days = sorted(d for *_, d in known[-LAST:])
        n = len(days)
        found[f"{scope}_known"] = float(len(known)) if known else None
        found[f"{scope}_median"] = (days[(n - 1) // 2] + days[n // 2]) / 2 if days else None
        found[f"{scope}_p90"] = float(days[-(-9 * n // 10) - 1]) if days else None
    waited = 0
    for _, other in lines:
        begun = max(other["on"], other["told"])
        ends = [d for d in (other["known"], other["given_up"]) if d]
        ended = max(min(ends), begun) if ends else None
        if other["supplier_id"] == line["supplier_id"]:
            waited += (begun < line["on"]) - (ended is not None and ended < line["on"])
    found["open_lines"] = float(waited)
    said = [
        (a[3], a[2]) for a in story.agreements if a[:2] == (line["supplier_id"], line["part_id"]) and a[3] < line["on"]
    ]
    found["quoted_days"] = float(max(said)[1]) if said else None
    return found


def test_the_label_is_told_when_its_receipt_is(spark: SparkSession, given):
    changes = given(silver.order_line_changes, ORDERED, word("A", 0), word("B", 1))
    came = given(silver.receipts, RECEIVED, receipt("A", 9, known=10), receipt("A", 5, known=30))
    facts: DataFrame = gold.fct_order_line(changes, came, given(silver.inspections, "inspection_id"))
    told = gold_told.order_line_told(changes, came)
    row = labelled(placed(told), facts).where("order_id = 'A'").collect()[0]
    assert (row["lead_time_days"], row["known_on"]) == (5, at(30)), "the earlier receipt was told later"


def test_a_column_known_only_after_the_outcome_cannot_be_learnt_from():
    import dataclasses

    from lake.core.errors import LakeError

    with pytest.raises(LakeError, match="known only after the outcome"):
        dataclasses.replace(models.lead_time, numbers=(*models.lead_time.numbers, "lead_time_days"))


def test_trees_look_at_enough_bins():
    assert models.lead_time.conf["bins"] >= 256
