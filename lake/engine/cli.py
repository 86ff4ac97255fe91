"""`lake VERB`: everything that can be answered without a JVM."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from lake.core.errors import LakeError, Outdated, WrongUse
from lake.engine import alert_verbs, copying, door, offers, provenance
from lake.engine.conf import Conf, day, load
from lake.engine.control import Journal
from lake.engine.verb import Debug, Env, Json, Select, print_json, print_table

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Ask the lake. Add --json to any verb.",
)


@app.command()
def plan(
    env: Env = "local", select: Select = None, date: str | None = None, as_json: Json = False, debug: Debug = False
) -> None:
    """What a night would write now, and why."""
    from lake.catalog import TABLES
    from lake.core import graph
    from lake.engine import gaps, prospect

    conf = load(env)
    chosen = graph.select(select, TABLES)
    ahead = prospect.prospect(conf, Journal(conf.root), TABLES, day=day(date) if date else None, chosen=chosen)
    if as_json:
        print_json([s.as_json() for s in ahead.steps])
        return
    if ahead.steps:
        print_table(
            f"Plan for {ahead.as_of}: {len(ahead.steps)} tables",
            ["table", "", "why"],
            [[s.table.id, "will" if s.will else "may", s.why] for s in ahead.steps],
        )
    else:
        print(f"Nothing new for {ahead.as_of}: a night would write nothing.")
    for source, newest in ahead.waiting.items():
        print(f"⏳ {source}: nothing complete for {newest} yet")
    if ahead.unsettled:
        print(f"{ahead.unsettled} tasks of an interrupted run will be settled first.")
    for landing in ahead.landings:
        for line in gaps.troubles(landing.source.id, {**landing.rejected, **landing.deferred}):
            print(line)


@app.command()
def status(
    env: Env = "local",
    max_age: Annotated[str | None, typer.Option(help="fail (exit 6) if the release is older, as 26h or 3d")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The newest release: how old, how far, what is stale or rejected."""
    from lake.engine import release

    conf = load(env)
    journal = Journal(conf.root)
    last = release.newest(journal)
    if as_json:
        print_json(_status(conf, journal, last))
    elif last is None:
        print(f"Nothing has been released in {conf.root} yet. Run ./spark-submit.sh nightly --env {env}.")
    else:
        for line in _status_lines(conf, journal, last):
            print(line)
    if max_age:
        age = (datetime.now(UTC) - last.at).total_seconds() if last else float("inf")
        if age > _seconds(max_age):
            raise Outdated(f"The newest release is older than {max_age}.", hint="see `lake runs` for what went wrong.")


def _status(conf: Conf, journal: Journal, last: Any) -> dict[str, Any]:
    if last is None:
        return {"release": None, "run": None, "sources": [], "tables": []}
    from lake.catalog import TABLES

    states = journal.states()
    terms = {t.id: t.terms.as_json() for t in TABLES}
    tables = []
    for name in sorted({*last.tables, *last.stale}):
        entry, stale = last.tables.get(name, {}), last.stale.get(name)
        tables.append(
            {"table": name, "version": entry.get("version"), "rows": entry.get("rows"), "hash": entry.get("hash")}
            | {"rejected": entry.get("rejected"), "through": entry.get("through"), "stale": stale is not None}
            | {"stale_since": stale["since"] if stale else None, "why": stale["why"] if stale else None}
            | terms.get(name, {})
        )
    return {
        "release": last.number,
        "run": last.run,
        "at": last.at.isoformat(timespec="seconds"),
        "as_of": last.body.get("as_of"),
        "through": _through(last),
        "seconds": last.body.get("seconds"),
        "models": last.models,
        "sources": [{"source": s} | a for s, a in sorted(last.sources.items())],
        "tables": tables,
        "unsettled": len(journal.open_tasks()),
        "written": len(states),
    }


def _through(last: Any) -> str | None:
    return min((e["through"] for e in last.tables.values() if e.get("through")), default=None)


def _status_lines(conf: Conf, journal: Journal, last: Any) -> list[str]:
    import shutil

    from lake.engine import drift, lease, place, quality

    usual = sorted(r.body["seconds"] for r in journal.of("ended"))
    took = f"{last.body.get('seconds', 0):.0f} s" + (
        f" (usual {usual[len(usual) // 2]:.0f} s)" if len(usual) > 2 else ""
    )
    back = f" · back to the tables of release {last.body['restores']}" if last.body.get("restores") else ""
    lines = [f"RELEASED {last.number} · {last.at:%Y-%m-%d %H:%M} UTC · data through {_through(last)} · {took}{back}"]
    failed = {t: s for t, s in last.stale.items() if not s["why"].startswith("below ")}
    lines += [f"⚠ {t} stale since {s['since']}: {s['why']}  → lake plan" for t, s in list(failed.items())[:4]]
    below = len(last.stale) - len(failed)
    lines += [f"⚠ {below} tables below them keep their last release"] if below else []
    lines += quality.lines(journal, last.run)
    if journal.open_tasks():
        lines.append("⚠ a run was interrupted; ./spark-submit.sh nightly settles it")
    for source, account in last.sources.items():
        problems = account.get("problems", {})
        for kind in ("rejected", "deferred"):
            for name, why in list(problems.get(kind, {}).items())[:1]:
                more = len(problems[kind]) - 1
                lines.append(f"⚠ {source}: {name} {kind}: {why}" + (f" (and {more} more)" if more else ""))
    differ = {s: drift.words(a.get("problems", {})) for s, a in last.sources.items()}
    lines += [f"⚠ {s}: {', '.join(said)} (kept in the delivered record)" for s, said in differ.items() if said][:2]
    lines += [
        f"⚠ {source}: {account['repeated']} new ids stand on other days, too  → ./spark-submit.sh verify --law unique"
        for source, account in last.sources.items()
        if account.get("repeated")
    ][:2]
    rejected = sum(a["rejected"] for a in last.sources.values())
    total = sum(a["lines"] for a in last.sources.values())
    lines.append(f"{total:,} lines delivered, {rejected:,} rejected with a reason  → lake rejected")
    free = shutil.disk_usage(place.written_on(*conf.zones)).free / 2**30
    holder = lease.holder(conf.root)
    lines.append(f"disk {free:.0f} GB free · lease {'held by pid ' + str(holder.get('pid')) if holder else 'free'}")
    return [lines[0], *lines[1:][-11:]] if len(lines) > 12 else lines


@app.command()
def runs(env: Env = "local", as_json: Json = False, debug: Debug = False) -> None:
    """Every run: when, how long, what it wrote, how it ended."""
    journal = Journal(load(env).root)
    ended = {r.run: r for r in journal.of("ended")}
    listed = []
    for row in journal.of("run"):
        end = ended.get(row.run)
        body = end.body if end else {}
        listed.append(
            {"run": row.run, "at": row.at.isoformat(timespec="seconds"), "as_of": row.body.get("as_of")}
            | {
                "seconds": body.get("seconds"),
                "written": len(body.get("written", [])),
                "failed": body.get("failed", {}),
            }
            | {"exit": body.get("exit"), "ended": end is not None}
        )
    if as_json:
        print_json(listed)
        return
    rows = [
        [r["run"], r["at"], r["seconds"] or "", r["written"], "interrupted" if not r["ended"] else f"exit {r['exit']}"]
        for r in listed
    ]
    print_table("Runs", ["run", "at", "seconds", "tables", "end"], rows)


@app.command()
def gaps(env: Env = "local", select: Select = None, as_json: Json = False, debug: Debug = False) -> None:
    """Days that are missing, could not be taken, or are not loaded yet."""
    from lake.catalog import TABLES
    from lake.core import graph
    from lake.engine import gaps

    found = gaps.found(load(env), TABLES, graph.select(select, TABLES))
    if as_json:
        print_json([g.as_json() for g in found])
        return
    rows = [
        [g.source, g.first or "", g.newest or "", gaps.in_words(g.missing), gaps.in_words(g.unloaded)] for g in found
    ]
    print_table("Gaps", ["source", "first", "newest", "missing", "not loaded yet"], rows)
    for g in found:
        for line in gaps.troubles(g.source, {**g.rejected, **g.deferred}):
            print(line)
    load_them = gaps.command(found, env)
    if load_them:
        print(f"To load what is not loaded yet: {load_them}")


@app.command()
def releases(env: Env = "local", as_json: Json = False, debug: Debug = False) -> None:
    """Every release and what it holds."""
    from lake.engine import release

    found = release.releases(Journal(load(env).root))
    if as_json:
        print_json([r.as_json() for r in found])
        return
    rows = [
        [r.number, f"{r.at:%Y-%m-%d %H:%M}", r.body.get("as_of"), len(r.tables), len(r.stale),
         ", ".join(f"{m} {i[:8]}" for m, i in r.models.items()),
         r.remark]
        for r in found
    ]  # fmt: skip
    print_table("Releases", ["release", "at (UTC)", "as of", "tables", "stale", "models", ""], rows)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Argument(help="release to go back to (default: the one before the newest)")] = None,
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Publish an older release again, data and models together."""
    from lake.engine import release

    made = release.rollback(load(env), to)
    if as_json:
        print_json(made.as_json())
    else:
        print(f"Released {made.number}: readers see the tables and models of release {made.body['restores']} again.")


@app.command()
def rejected(
    env: Env = "local",
    select: Select = None,
    rule: Annotated[str | None, typer.Option(help="only this rule")] = None,
    since: Annotated[str | None, typer.Option(help="only what was first seen on this day or later")] = None,
    limit: Annotated[int, typer.Option(help="at most so many")] = 50,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rejected records, and an example for each reason: rule, column, value, file and line."""
    from lake.catalog import TABLES
    from lake.core import graph
    from lake.engine import rejects

    conf = load(env)
    chosen = [t for t in graph.select(select, TABLES) if t.is_typed or t.is_source]
    found = rejects.listed(conf, Journal(conf.root), chosen, TABLES, rule=rule, since=day(since) if since else None)
    if as_json:
        print_json(found)
        return
    rows = [list(reason.values()) for reason in rejects.reasons(found)]
    names = ["table", "rule", "column", "status", "records", "first seen", "last seen"]
    print_table(f"{len(found)} rejected records", names, rows)
    hidden = {t.id for t in chosen if t.restricted}
    open_ones = [r for r in found if r["table"] not in hidden]
    for r in found[:limit] if rule or select or since else rejects.examples(open_ones):
        print(f"{r['file']}:{r['line'] or '?'}  {r['rule']} {r['column'] or ''} {r['value'] or ''}")
        print(f"    {(r['raw'] or '')[:160]}")


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="its id, SQL name or last name")],
    env: Env = "local",
    release: Annotated[int | None, typer.Option(help="at this release (default: the newest)")] = None,
    limit: Annotated[int, typer.Option(help="at most so many rows")] = 20,
    restricted: Annotated[bool, typer.Option(help="open the restricted zone, too")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rows of a table at a release, and what it promises."""
    from lake.engine.release import Lake

    lake = Lake.open(env, release=release, restricted=restricted)
    named = lake.named(table)
    rows = lake.pandas(named.id)
    through = lake.release.tables.get(named.id, {}).get("through")
    terms = named.terms
    if as_json:
        some = json.loads(rows.head(limit).to_json(orient="records", date_format="iso"))
        head = {"table": named.id, "release": lake.release.number, "through": through, "doc": named.doc}
        print_json(head | terms.as_json() | {"count": len(rows), "rows": some})
        return
    print(f"{named.id} at release {lake.release.number}: {len(rows):,} rows. {named.doc.splitlines()[0]}")
    print(f"through {through} · fresh within {terms.fresh_hours} h · {terms.classification} · owner: {terms.owner}")
    print(f"for {', '.join(terms.consumers)}: {terms.purpose}")
    unit = {c.name: f" [{c.unit}]" if c.unit else "" for c in named.columns}
    print_table("", [c + unit[c] for c in rows.columns], rows.head(limit).astype(str).values.tolist())


@app.command()
def doctor(
    env: Env = "local",
    deep: Annotated[bool, typer.Option("--deep", help="read every data file, too")] = False,
    rebuild_control: Annotated[
        bool, typer.Option("--rebuild-control", help="first write a lost journal anew, from the tables' commits")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check this machine and this lake: Java, jars, disk, journal, logs, data files."""
    from lake.catalog import TABLES
    from lake.engine import health, rebuild

    conf = load(env)
    if conf.emr:
        from lake.engine import cloud_health

        for asked, what, way in (
            (rebuild_control, "The journal is not written anew", "--rebuild-control"),
            (deep, "Data files are not read", "--deep"),
        ):
            if asked:
                raise WrongUse(
                    f"{what} where jobs run on EMR ({conf.env!r}).",
                    hint=f"export ROBOLAKE__LAKE__ROOT={conf.lake.root} ROBOLAKE__LAKE__RAW={conf.lake.raw} "
                    f"ROBOLAKE__LAKE__RESTRICTED={conf.lake.restricted}, "
                    f"then lake doctor --env s3 {way}",
                )
        found = cloud_health.checks(conf)
    else:
        for line in rebuild.rebuild(conf, TABLES) if rebuild_control else ():
            print(line, file=sys.stderr)
        found = health.checks(conf, deep=deep)
    if as_json:
        print_json([c.as_json() for c in found])
    else:
        for c in found:
            print(f"{'✓' if c.ok else '✗'} {c.what}: {c.said}")
    if not all(c.ok for c in found):
        raise typer.Exit(1)


def _seconds(text: str) -> float:
    units = {"h": 3600, "d": 86400, "m": 60}
    try:
        return float(text[:-1]) * units[text[-1]]
    except (ValueError, KeyError):
        raise WrongUse(f"{text!r} is not an age.", hint="write it as 26h or 3d.") from None


for asked in [*provenance.VERBS, *offers.VERBS, *alert_verbs.VERBS, *copying.VERBS]:
    app.command()(asked)
app.add_typer(offers.contracts)


def main() -> None:
    """Run the verb; a mistake ends in a few plain lines."""
    debug = "--debug" in sys.argv
    door.speak(debug)
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except LakeError as e:
        door.said(e, debug)
        sys.exit(e.exit_code)
    except typer.Exit as e:
        sys.exit(e.exit_code)
    except Exception as e:
        if type(e).__module__.startswith(("click", "typer")):
            print(_hinted(e), file=sys.stderr)
            sys.exit(2)
        if debug:
            raise
        print(f"lake: {type(e).__name__}: {str(e)[:300]}\nHint: --debug shows where.", file=sys.stderr)
        sys.exit(1)


def _hinted(e: Exception) -> str:
    said = e.format_message() if hasattr(e, "format_message") else str(e)
    return f"{said}\nHint: `lake --help` lists the verbs, `lake VERB --help` their options."
