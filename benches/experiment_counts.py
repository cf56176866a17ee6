#!/usr/bin/env python3
"""Counts per arm from a log of exposures and events, beside DuckDB's SQL for the same counts, in one run and turn by turn.

    cargo bench -p semrank-experiment --bench counts --no-run      # prints the path of COUNTS
    python -m venv env && env/bin/pip install duckdb
    env/bin/python benches/experiment_counts.py COUNTS WORK [--exposures 10000000] [--events 50000000] [--turns 3]

The log: 2.5 exposures and 12.5 events per unit over two weeks; a fiftieth of the rows is a duplicate of the row before it that was received
later, a tenth of the events has no exposure, and some units are bots or cross over. Ours reads CSV files, once for each part of the
units. DuckDB reads the same CSV files, and once more the same rows as Parquet; it has two threads, a memory limit of 1 GB and a folder for
what does not fit. Both drop duplicates by unit and event id, and must give the same counts. Seconds are whole processes, files in the page
cache; on a busy machine CPU-seconds are the fairer figure. Memory is the peak of the resident set.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import duckdb

DAY = 86_400_000
DEFINITION = {
    "arms": ["control", "treatment"],
    "start_ms": 0,
    "end_ms": 14 * DAY,
    "as_of_ms": 14 * DAY,
    "settle_ms": DAY // 4,
    "windows_ms": {"click": DAY, "conversion": 7 * DAY},
}

# A duplicate repeats the row before it; numbers per row are hashes.
EXPOSURES = """
    select 'x' || j as event_id, 'user-' || u as unit, if((u + (hash(j, 5) % 2000 = 0)::int) % 2 = 0, 'control', 'treatment') as arm,
        t as time_ms, t + (hash(j, 2) % 60000)::bigint + 60000 * (i - j) as received_ms, (hash(j, 3) % 100 < 30)::int as would_differ,
        (hash(u, 4) % 500 = 0)::int as bot
    from (select i, j, (hash(j) % {units})::bigint as u, (hash(j, 1) % {span})::bigint as t
          from (select i, i - (i % 50 = 1)::int as j from range({rows}) r(i)))
"""
EVENTS = """
    select 'e' || j as event_id, 'user-' || u as unit, if(hash(j, 6) % 20 = 0, 'conversion', 'click') as action,
        t as time_ms, t + (hash(j, 7) % 60000)::bigint + 60000 * (i - j) as received_ms, 1.0::double as value
    from (select i, j, (hash(j, 8) % {units})::bigint as u, (hash(j, 9) % {span})::bigint as t
          from (select i, i - (i % 50 = 1)::int as j from range({rows}) r(i)))
"""

COUNTS = """
    with shown as (
        select unit, arg_min(arm, received_ms) as arm, arg_min(time_ms, received_ms) as time_ms,
            arg_min(would_differ, received_ms) as would_differ, arg_min(bot, received_ms) as bot
        from {exposures} where received_ms <= {as_of_ms} group by unit, event_id),
    units as (
        select unit, min(arm) as arm, min(time_ms) as first_ms, min(time_ms) filter (would_differ = 1) as triggered_ms
        from shown where time_ms >= {start_ms} and time_ms < {end_ms} group by unit having max(bot) = 0 and min(arm) = max(arm)),
    done as (
        select unit, arg_min(action, received_ms) as action, arg_min(time_ms, received_ms) as time_ms,
            arg_min(value, received_ms) as value
        from {events} group by unit, event_id having min(received_ms) <= {as_of_ms}),
    views as (
        select units.*,
            coalesce(sum(value) filter (action = 'click' and time_ms >= first_ms and time_ms < first_ms + {click}), 0) as click,
            coalesce(sum(value) filter (action = 'conversion' and time_ms >= first_ms and time_ms < first_ms + {conversion}), 0) as conversion,
            coalesce(sum(value) filter (action = 'click' and time_ms >= triggered_ms and time_ms < triggered_ms + {click}), 0) as t_click,
            coalesce(sum(value) filter (action = 'conversion' and time_ms >= triggered_ms and time_ms < triggered_ms + {conversion}), 0)
                as t_conversion
        from units left join done using (unit) group by all),
    rows as (
        select 'all' as view, arm, first_ms as index_ms, click, conversion from views
        union all
        select 'triggered', arm, triggered_ms, t_click, t_conversion from views where triggered_ms is not null)
    select view, arm, count(*), count(*) filter (matured), sum(click) filter (matured), sum(conversion) filter (matured),
        sum(click * click) filter (matured), sum(click * conversion) filter (matured), sum(conversion * conversion) filter (matured)
    from (select *, index_ms + {longest} <= {as_of_ms} - {settle_ms} as matured from rows) group by view, arm order by view, arm
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", help="the bench program")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--exposures", type=int, default=10_000_000)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    generate(args)
    print(
        f"{args.exposures:,} exposures, {args.events:,} events, {args.threads} threads, {args.parts} parts; "
        f"duckdb {duckdb.__version__}, memory limit 1 GB"
    )
    engines = {"semrank, CSV": ours, "duckdb, CSV": lambda args: peer(args, "csv"), "duckdb, Parquet": lambda args: peer(args, "parquet")}
    found, order = {name: [] for name in engines}, list(engines)
    for turn in range(args.turns):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            found[name].append(measured(engines[name](args)))
    expected = found["semrank, CSV"][0][3]
    print("                 seconds: median, least   CPU-seconds: median, least   peak MiB")
    for name, runs in found.items():
        seconds, cpu, mib = (sorted(run[at] for run in runs) for at in range(3))
        same = "same counts" if all(run[3] == expected for run in runs) else "OTHER COUNTS"
        figures = f"{statistics.median(seconds):14.1f} {seconds[0]:7.1f} {statistics.median(cpu):20.1f} {cpu[0]:7.1f}"
        print(f"  {name:16} {figures} {mib[-1]:13,.0f}  {same}")
    sys.exit(any(run[3] != expected for runs in found.values() for run in runs))


def generate(args):
    """Writes the log, unless it is there."""
    (args.work / "definition.json").write_text(json.dumps(DEFINITION))
    units = args.exposures * 2 // 5
    with duckdb.connect() as base:
        base.execute(f"set threads = {args.threads}; set preserve_insertion_order = false")
        for name, query, rows, of in (
            ("exposures", EXPOSURES, args.exposures, units),
            ("events", EVENTS, args.events, units * 11 // 10),
        ):
            parquet, csv = (file(args, name, kind) for kind in ("parquet", "csv"))
            query = query.format(units=of, rows=rows, span=14 * DAY)
            if not parquet.exists():
                base.execute(f"copy ({query}) to '{parquet}' (format parquet)")
            if not csv.exists():
                base.execute(f"copy (from '{parquet}') to '{csv}' (format csv, header)")
            print(f"{name}: CSV {csv.stat().st_size / 1e9:.2f} GB, Parquet {parquet.stat().st_size / 1e9:.2f} GB")


def file(args, name, kind):
    rows = args.exposures if name == "exposures" else args.events
    return args.work / f"{name}-{rows}.{kind}"


def measured(words):
    """Seconds, seconds of both cores, peak MiB and answer of a process."""
    begin = time.monotonic()
    child = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begin
    if status != 0:
        sys.exit(f"{words[0]} failed with status {status}")
    answer = json.loads(out)
    if "counts" in answer:
        print(f"    semrank: {answer['reading']:.1f} of {answer['seconds']:.1f} s are reading", flush=True)
    rows = rows_of(answer["counts"]) if "counts" in answer else answer["rows"]
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, rows


def ours(args):
    logs = [file(args, name, "csv") for name in ("exposures", "events")]
    return [args.counts, args.work / "definition.json", *logs, args.parts, args.threads]


def rows_of(counts):
    """Our counts in the columns of the query."""
    out = []
    for view in ("all", "triggered"):
        for name, arm in zip(DEFINITION["arms"], counts[view]):
            (cc, cv), (_, vv) = arm["products"]
            out.append([view, name, arm["units"], arm["matured"], *arm["sums"], cc, cv, vv])
    return out


def peer(args, kind):
    windows = DEFINITION["windows_ms"]
    reader = "read_parquet('{}')" if kind == "parquet" else "read_csv('{}', header = true, quote = '', columns = {})"
    columns = {
        "exposures": {"event_id": "varchar", "unit": "varchar", "arm": "varchar", "time_ms": "bigint", "received_ms": "bigint", "would_differ": "tinyint", "bot": "tinyint"},
        "events": {"event_id": "varchar", "unit": "varchar", "action": "varchar", "time_ms": "bigint", "received_ms": "bigint", "value": "double"},
    }
    tables = {name: reader.format(file(args, name, kind), columns[name]) for name in columns}
    query = COUNTS.format(**tables, **DEFINITION, **windows, longest=max(windows.values()))
    # A process of its own, so that its memory can be told.
    script = f"""
import duckdb, json
base = duckdb.connect(config={{"threads": {args.threads}, "memory_limit": "1GB", "temp_directory": {str(args.work / "spill")!r}, "preserve_insertion_order": False}})
base.execute("set enable_progress_bar = false")
print(json.dumps({{"rows": base.execute({query!r}).fetchall()}}))
"""
    return [sys.executable, "-c", script]


if __name__ == "__main__":
    main()
