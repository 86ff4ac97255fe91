"""What is odd, what is told of it and when, and who carries it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lake.catalog import TABLES, WATCHES
from lake.core.errors import LakeError, LeaseHeld, WrongUse
from lake.core.watch import watch
from lake.engine import alerting, couriers, release, symptoms, telling
from lake.engine.alerts import Alerts, acknowledge, changed
from lake.engine.audit import Finding
from lake.engine.cli import app
from lake.engine.conf import AlertsSection, Conf
from lake.engine.control import Journal
from lake.engine.night import Result
from lake.engine.symptoms import Looked, Symptom
from lake.supply import silver
from tests.engine.told_nights import Nights

LIMITS = AlertsSection(holidays=("05-01",))
WEEKS = [date(2026, 3, 30) + timedelta(n) for n in range(42)]
DAYS = [str(d) for d in WEEKS]
BY_ID = {t.id: t for t in TABLES}


# --- what is odd ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judge", "x", "before", "odd"),
    [
        (alerting.arrivals, 1300, [2600, 2500, 2700] * 5, 0.5),
        (alerting.arrivals, 2100, [2600, 2500, 2700] * 5, None),
        (alerting.arrivals, 129, [7, 35, 38, 40, 45, 58, 61] * 2, 129 / 40),
        (alerting.arrivals, 10, [20, 24, 18, 22, 15] * 3, None),  # half of so few is chance
        (alerting.arrivals, 0, [0, 0, 0, 0, 0, 14, 0] * 3, None),  # a count once a week
        (alerting.arrivals, 0, [50, 60, 55] * 5, 0.0),
        (alerting.extract, 42, [60] * 14, 0.7),
        (alerting.extract, 6, [5] * 14, None),
        (alerting.extract, 10, [12] * 14, 10 / 12),
        (alerting.level, 98.6, [37.0, 36.5, 37.2] * 5, 98.6 / 37),
        (alerting.level, 45.0, [37.0, 36.5, 37.2] * 5, None),
        (alerting.level, 900.0, [1.0, 40.0, 300.0] * 5, None),
        (alerting.delay, 1, [0] * 14, 1),
        (alerting.delay, 0, [0] * 14, None),
        (alerting.absent, 0, [1] * 13 + [0], 0.0),
        (alerting.absent, 0, [1, 1, 1, 0] * 4, None),
        (alerting.never, 1, [0] * 14, float("inf")),
        (alerting.never, 1, [1] * 14, None),
        (alerting.flood, 80, [3, 5, 4, 0, 6] * 3, 20),
        (alerting.flood, 9, [3, 5, 4, 0, 6] * 3, None),
    ],
)
def test_a_number_is_odd_against_those_of_earlier_nights(
    judge: alerting.Judge, x: float, before: list[float], odd: float | None
) -> None:
    assert judge(x, before, LIMITS) == (pytest.approx(odd) if odd is not None else None)


def test_a_median_of_few_and_different_values_is_not_sure_enough_to_be_odd() -> None:
    assert alerting.level(5, [1.0] * 14, LIMITS, low=4, high=6) == pytest.approx(5)
    assert alerting.level(5, [1.0] * 14, LIMITS, low=1, high=40) is None


def test_nights_are_of_four_kinds() -> None:
    said = {d: alerting.kind_of(d, ("05-01", "2026-04-06")) for d in DAYS}
    assert said["2026-03-31"] == "month end"
    assert said["2026-04-30"] == "month end"
    assert said["2026-04-04"] == "weekend"
    assert said["2026-04-06"] == said["2026-05-01"] == "holiday"
    assert said["2026-04-29"] == "working"


def usual(working: float = 100, weekend: float = 20) -> dict[str, float]:
    return {str(d): weekend if d.weekday() >= 5 else working for d in WEEKS}


@pytest.mark.parametrize(
    ("day", "x", "is_odd"),
    [
        ("2026-05-06", 20, True),  # a Wednesday like a Sunday
        ("2026-05-09", 20, False),
        ("2026-05-09", 100, True),
        ("2026-05-01", 20, False),  # a holiday may be worked or not,
        ("2026-05-01", 100, False),
        ("2026-05-01", 400, True),  # but not be like neither
        ("2026-04-30", 220, False),  # the last working day of a month
        ("2026-04-30", 400, True),
        ("2026-04-30", 20, True),
    ],
)
def test_a_night_is_compared_with_nights_of_its_kind(day: str, x: float, is_odd: bool) -> None:
    judged = alerting.judged(alerting.arrivals, day, usual() | {day: x}, LIMITS)
    assert judged is not None
    assert (judged.odd is not None) == is_odd


def test_too_few_comparable_nights_judge_nothing() -> None:
    few = dict.fromkeys(DAYS[:6], 100.0) | {DAYS[7]: 0}
    assert alerting.judged(alerting.arrivals, DAYS[7], few, LIMITS) is None


def test_a_bad_night_is_no_measure_for_the_next_but_a_month_of_them_is() -> None:
    half = usual() | dict.fromkeys(DAYS[21:], 50.0)
    day, bad = DAYS[23], DAYS[21:23]
    assert alerting.judged(alerting.arrivals, day, half, LIMITS, bad).odd == pytest.approx(0.5)  # type: ignore[union-attr]
    long = {d: x if d < DAYS[8] else 50.0 for d, x in half.items()}
    assert alerting.judged(alerting.arrivals, DAYS[38], long, LIMITS, DAYS[8:38]).odd is None  # type: ignore[union-attr]


def test_what_comes_less_often_on_one_day_of_the_week_is_usual_there() -> None:
    tuesdays = {str(d): 1.0 if d.weekday() == 1 else 30.0 for d in WEEKS}
    day = "2026-05-05"
    judged = alerting.judged(alerting.arrivals, day, tuesdays, LIMITS, [d for d in DAYS if tuesdays[d] == 1])
    assert judged == alerting.Judged(None)


# --- what is told once ------------------------------------------------------------------------------------------------


def symptom(table: str, what: str, rank: int) -> Symptom:
    of = BY_ID[table]
    return Symptom(f"{symptoms.short(of)}/{what}", (of,), of.terms.owner, rank, "it is wrong", "lake plan")


def looked(day: str, *odd: Symptom, judged: tuple[str, ...] = ()) -> Looked:
    return Looked(day, {*judged, *(s.id for s in odd)}, {s.id: s for s in odd})


MISSING = symptom("supply.bronze.receipts", "missing", symptoms.LACK)
UNLIKE = symptom("supply.silver.receipt_files", "values", symptoms.UNLIKE)
ELSEWHERE = symptom("robot.bronze.telemetry", "rows", symptoms.TOO_MANY)


def test_only_what_nothing_else_explains_is_an_incident() -> None:
    assert looked(DAYS[0], UNLIKE, MISSING, ELSEWHERE).incidents() == [MISSING, ELSEWHERE]
    assert looked(DAYS[0], UNLIKE).incidents() == [UNLIKE]


def test_a_found_cause_explains_the_rows_too_many_above_it() -> None:
    found = symptom("supply.silver.order_line_files", "late_promises", symptoms.FOUND)
    many = symptom("supply.bronze.order_lines", "rows", symptoms.TOO_MANY)
    assert looked(DAYS[0], many, found).incidents() == [found]


class Told:
    """A ledger, night by night."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def night(self, n: int, *odd: Symptom, judged: tuple[str, ...] = (MISSING.id,)) -> list[tuple[str, bool]]:
        ledger = Alerts(self.root)
        changes = changed(looked(DAYS[n], *odd, judged=judged), ledger.all(), "")
        facts: list[Any] = [("alert", c.alert.id, c.body()) for c in changes]
        ledger.append("run", ("night", DAYS[n], {"odd": []}), *facts)
        return [(c.state, c.quiet) for c in changes]


def test_an_alert_is_told_when_it_begins_on_its_third_day_and_when_it_is_over(tmp_path: Path) -> None:
    told = Told(tmp_path)
    assert told.night(0) == []
    assert told.night(1, MISSING) == [("opened", False)]
    assert told.night(1, MISSING) == []
    assert told.night(2, MISSING) == []
    assert told.night(3, MISSING) == [("open", False)]
    assert told.night(4, MISSING) == []
    assert told.night(5, judged=()) == []  # nobody could say
    assert told.night(6) == [("recovered", False)]
    assert told.night(7) == []
    assert told.night(8, MISSING) == [("opened", False)]


def test_an_acknowledged_alert_is_quiet_until_its_day_but_its_end_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.night(1, MISSING)
    acknowledge(tmp_path, MISSING.id, WEEKS[4], "the carrier is on strike")
    assert [told.night(n, MISSING) for n in (2, 3, 4)] == [[], [], []]
    assert told.night(5, MISSING) == [("open", False)]
    assert told.night(6) == [("recovered", False)]

    told.night(7, MISSING)
    acknowledge(tmp_path, MISSING.id, WEEKS[10], "again")
    assert told.night(8) == [("recovered", False)]
    assert told.night(9, MISSING) == [("opened", True)]


@pytest.mark.parametrize(
    ("id", "until", "reason", "says"),
    [
        ("supply.recipts/missing", WEEKS[9], "why", "did you mean 'supply.receipts/missing'"),
        (MISSING.id, WEEKS[0], "why", "was already looked at"),
        (MISSING.id, WEEKS[9], "  ", "for a reason"),
    ],
)
def test_what_cannot_be_acknowledged_is_said(tmp_path: Path, id: str, until: date, reason: str, says: str) -> None:
    Told(tmp_path).night(1, MISSING)
    with pytest.raises(WrongUse) as e:
        acknowledge(tmp_path, id, until, reason)
    assert says in str(e.value)


def test_a_refusal_a_failed_table_and_a_failed_night_are_alerts_of_whose_they_are() -> None:
    failed = {"supply.gold.supplier_month": "no column x", "company.gold.stock_position": "below supply.gold.x"}
    refused = [Finding("quality", "robot.silver.telemetry", "40 of 90 new lines are rejected")]
    judged, odd = symptoms.of_the_end(TABLES, set(failed), failed, refused, "")
    assert {i: s.owner for i, s in odd.items()} == {
        "supply.gold.supplier_month/failed": "supply data owner", "release/refused": "robot data owner",
    }  # fmt: skip
    assert "night/failed" in judged and "company.gold.stock_position/failed" not in judged
    judged, odd = symptoms.of_the_end(TABLES, (), {}, [], "no space left")
    assert odd["night/failed"].owner == "operator" and "release/refused" not in judged


# --- who carries it ---------------------------------------------------------------------------------------------------


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/hook/a-secret", got
    server.shutdown()
    serving.join()
    server.server_close()


@contextmanager
def mail_server() -> Iterator[tuple[str, list[str]]]:
    """One that takes one mail: the lines it is told."""
    got: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as talk:

            def say(words: str) -> None:
                talk.write(words.encode() + b"\r\n")
                talk.flush()

            say("220 here")
            is_data = False
            for raw in talk:
                line = raw.decode().rstrip("\r\n")
                got.append(line)
                if is_data:
                    is_data = line != "."
                    if not is_data:
                        say("250 taken")
                elif line.upper() == "DATA":
                    is_data = True
                    say("354 go on")
                elif line == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 yes")

    serving = threading.Thread(target=serve)
    serving.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}", got
    serving.join(5)
    listening.close()


def carried(root: Path, text: str = "readers stay at release 3\nOPENED x\n  → lake gaps", **settings: Any) -> Conf:
    """A lake with one message for all couriers, handed to them."""
    root.mkdir(exist_ok=True)
    conf = Conf(env="told", lake={"root": str(root), "raw": str(root)}, alerts={"timeout_s": 1, **settings})
    message = {"title": "1 opened", "text": text, "readers": "", "changes": [], "owners": ["supply data owner"]}
    Alerts(root).append("run", ("message", DAYS[0], message | {"to": couriers.named(conf)}))
    couriers.send(conf, Alerts(root))
    return conf


def test_a_message_goes_to_the_log_a_file_a_webhook_and_by_mail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook() as (url, posted), mail_server() as (host, lines):
        conf = carried(
            tmp_path / "lake", file="alerts.log", webhook=url, smtp=host, smtp_tls=False, mail_to=("all@x.example",),
            owners={"supply data owner": "supply@x.example", "robot data owner": "robot@x.example"},
        )  # fmt: skip
        couriers.send(conf, Alerts(conf.root))  # nobody gets it twice
    assert "OPENED x" in caplog.text
    assert (conf.root / "alerts.log").read_text(encoding="utf-8").splitlines()[2] == "  → lake gaps"
    assert [p["text"].splitlines()[1] for p in posted] == ["OPENED x"]
    assert [li for li in lines if li.startswith("rcpt")] == ["rcpt TO:<all@x.example>", "rcpt TO:<supply@x.example>"]
    assert "Subject: 1 opened" in lines


def test_a_courier_that_fails_is_said_in_the_log_and_gets_the_message_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(status=500) as (url, _):
        conf = carried(tmp_path / "lake", webhook=url, file="no/such/folder.log")
    assert "alerts did not reach the webhook at 127.0.0.1: HTTPError 500" in caplog.text
    assert "alerts did not reach the file no/such/folder.log" in caplog.text
    assert "a-secret" not in caplog.text
    with webhook() as (url, posted):
        again = conf.model_copy(update={"alerts": conf.alerts.model_copy(update={"webhook": url})})
        couriers.send(again, Alerts(conf.root))
    assert len(posted) == 1


def test_a_webhook_that_never_answers_costs_its_patience_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        carried(tmp_path / "lake", webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.2)
    assert "TimeoutError" in caplog.text


# --- the end of a night -----------------------------------------------------------------------------------------------


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    nights = Nights.begun(tmp_path)
    nights.conf.root.mkdir()
    nights.conf.raw.mkdir()
    return nights


def test_a_failed_night_is_told_and_its_error_goes_on(nights: Nights) -> None:
    with pytest.raises(LakeError, match="no space"), telling.told(nights.conf, TABLES, WATCHES, TABLES):
        raise LakeError("no space left")
    [message] = [r.body["text"] for r in nights.alerts.of("message")]
    assert message.splitlines()[1:] == [
        "OPENED night/failed (operator): the night failed: no space left",
        "  → lake doctor",
    ]
    nights.tell(date.today())
    assert nights.alerts.open() == []


def test_of_a_refused_release_readers_are_told_where_they_stay(nights: Nights) -> None:
    release.publish(Journal(nights.conf.root), "night", {"tables": {}, "stale": {}, "as_of": DAYS[0]})
    refused = Result(findings=[Finding("quality", "robot.silver.telemetry", "40 of 90 new lines are rejected")])
    assert nights.tell(WEEKS[0], refused) == [
        f"robolake told, night of {DAYS[0]}: readers stay at release 1, as of {DAYS[0]}",
        "OPENED release/refused (robot data owner): the release was refused: quality: robot.silver.telemetry: "
        "40 of 90 new lines are rejected",
        "  → lake quality",
    ]
    said = nights.tell(WEEKS[1], Result())
    assert said[1] == f"RECOVERED release/refused (robot data owner): open since {DAYS[0]}"


def test_a_lease_that_another_holds_is_no_incident(nights: Nights) -> None:
    with pytest.raises(LeaseHeld), telling.told(nights.conf, TABLES, WATCHES, TABLES):
        raise LeaseHeld("held")
    assert not nights.alerts.rows


def test_alerts_never_fail_a_night(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    ledger = nights.conf.root / "_control" / "alerts" / "_delta_log"
    ledger.mkdir(parents=True)
    (ledger / f"{0:020d}.json").write_text("nonsense", encoding="utf-8")
    with telling.told(nights.conf, TABLES, WATCHES, TABLES) as ended:
        ended.append(Result())
    assert "no alerts: The ledger of alerts cannot be read. remove the folder _control/alerts" in caplog.text


def test_alerts_that_are_off_look_at_nothing(nights: Nights) -> None:
    off = nights.conf.model_copy(update={"alerts": AlertsSection(on=False)})
    telling.tell(off, TABLES, WATCHES, TABLES, error="no space left")
    assert not nights.alerts.rows


def test_the_verbs_list_an_alert_and_keep_it_quiet(
    nights: Nights, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nights.tell(WEEKS[0], error="no space left")
    env = tmp_path / "told.toml"
    env.write_text(f'[lake]\nroot = "{nights.conf.root}"\nraw = "{nights.conf.raw}"\n', encoding="utf-8")
    verb: Callable[..., Any] = lambda *words: app([*words, "--env", str(env)], standalone_mode=False)  # noqa: E731
    verb("alerts")
    assert "night/failed" in capsys.readouterr().out
    verb("ack", "night/failed", "--until", str(WEEKS[9]), "--reason", "new disk ordered")
    verb("alerts", "--json")
    said = json.loads(capsys.readouterr().out.split("told.\n")[1])
    assert said["night"] == DAYS[0]
    assert said["alerts"][0]["acknowledged_until"] == DAYS[9] and said["alerts"][0]["owner"] == "operator"


def test_a_watch_reads_no_personal_column() -> None:
    with pytest.raises(LakeError, match="personal"):
        watch(inputs={silver.supplier_files: "contact_name"})(lambda night, rows: rows)


def test_every_watch_has_an_owner_and_says_what_is_wrong() -> None:
    assert all(w.table.terms.owner and w.doc and w.least >= 1 for w in WATCHES)
