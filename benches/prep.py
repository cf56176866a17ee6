#!/usr/bin/env python3
"""`semrank prep` beside the same SQL in DuckDB, in one run, turn by turn.

    semrank simulate --impressions 10000000 --out /tmp/raw --duplicates 0.01 --disordered 0.02 --skewed 0.01
    python -m venv /tmp/duck && /tmp/duck/bin/pip install duckdb
    /tmp/duck/bin/python benches/prep.py --raw /tmp/raw [--repeats 3] [--threads 2] [--memory-mb 1024]

Both read the log's Parquet file and write sorted histories and examples as Parquet (zstd). DuckDB runs the files of
crates/prep/src/sql without the checks that the program makes of every value, and writes each result in one statement. Both must
count the same. Prints seconds, peak memory and rows per second, medians and their ratio. Writes nothing but temporary folders.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SQL = ROOT / "crates/prep/src/sql"
DAY_MS = 86_400_000
# What both are told, whatever the log's dataset.toml says.
FLAGS = {
    "click-minutes": 30,
    "conversion-days": 7,
    "view-through-days": 0,
    "logging-delay-seconds": 0,
    "clock-tolerance-seconds": 5,
    "late-seconds": 60,
    "attribution": "last-touch",
}
PARAMETERS = {
    "clock_tolerance_ms": FLAGS["clock-tolerance-seconds"] * 1000,
    "late_ms": FLAGS["late-seconds"] * 1000,
    "click_ms": FLAGS["click-minutes"] * 60_000,
    "conversion_ms": FLAGS["conversion-days"] * DAY_MS,
    "conversion_over_ms": FLAGS["conversion-days"] * DAY_MS + 1,
    "view_through_ms": FLAGS["view-through-days"] * DAY_MS,
    "logging_delay_ms": FLAGS["logging-delay-seconds"] * 1000,
    "first_touch": 0,
    "ignore_parents": 0,
    # The last moment that a data set can tell (TIMES_MS).
    "never_ms": 7_258_118_400_000,
    "anonymous": 1,
    # The span of the log: all of it. The program finds it by days.sql first.
    "first_ms": -(2**62),
    "over_ms": 2**62,
    "context": "",
    "no_context": "",
}
TABLES = ["acts", "last_seen", "links", "clicked", "conversions", "view_through", "labels", "known"]


def query(name):
    text = (SQL / f"{name}.sql").read_text()
    for parameter, value in PARAMETERS.items():
        text = text.replace("{" + parameter + "}", str(value))
    return text


def duckdb_once(raw, out, threads, memory_mb):
    """The whole preparation in this process; prints its row counts."""
    import duckdb

    base = duckdb.connect(config={"threads": threads, "memory_limit": f"{memory_mb}MiB", "temp_directory": out + "/spill"})
    base.execute(f"CREATE VIEW raw AS SELECT * FROM read_parquet('{raw}/events.parquet')")
    base.execute(f"CREATE TABLE duplicates AS {query('duplicates')}")
    base.execute(f"CREATE VIEW events AS {query('events')}")
    for table in TABLES:
        base.execute(f"CREATE TABLE {table} AS {query(table)}")
    found = row(base.execute(query("counts"))) | row(base.execute(query("outcomes")))
    for table in ["history", "examples"]:
        base.execute(f"COPY ({query(table)}) TO '{out}/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    (found["clicked"], found["converted"]) = base.execute(
        f"SELECT count(click_ms), count(conversion_ms) FROM '{out}/examples.parquet'"
    ).fetchone()
    (found["history_events"],) = base.execute(f"SELECT count(*) FROM '{out}/history.parquet'").fetchone()
    print(json.dumps(counted_by_duckdb(found)))


def row(result):
    return dict(zip([column[0] for column in result.description], result.fetchone()))


def counted_by_duckdb(found):
    """The counts of the queries, grouped as the program's report does."""
    same = ["duplicates", "skewed", "late", "impressions", "history_events", "clicked", "converted", "log_end_ms"]
    clicks = {group: found[f"clicks_{group}"] for group in ["out_of_window", "orphaned", "unattributed"]}
    firsts = found["clicked_impressions"]
    clicks |= {"total": found["clicks"], "attributed": firsts, "repeated": found["clicks_in_window"] - firsts}
    conversions = {group: found[f"conversions_{group}"] for group in ["out_of_window", "orphaned", "unattributed"]}
    conversions |= {"total": found["conversions"], "attributed": found["conversions_in_window"]}
    conversions |= {"view_through": found["view_through"]}
    return {name: found[name] for name in same} | {"clicks": clicks, "conversions": conversions}


def measured(command):
    """Seconds, peak MiB and the last line of a child process."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, output


def turns(arguments):
    threads, memory = str(arguments.threads), str(arguments.memory_mb)
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        for turn in range(arguments.repeats):
            for engine in ["semrank", "duckdb"]:
                out = os.path.join(folder, engine)
                if engine == "semrank":
                    command = [arguments.semrank, "prep", "--data", arguments.raw, "--out", out, "--threads", threads]
                    command += ["--memory-mb", memory, "--json"]
                    command += [word for name, value in FLAGS.items() for word in (f"--{name}", str(value))]
                else:
                    os.mkdir(out)
                    command = [sys.executable, __file__, "--raw", arguments.raw, "--threads", threads, "--memory-mb", memory]
                    command += ["--duckdb-into", out]
                yield (engine, turn, *measured(command))
                shutil.rmtree(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", required=True, help="data set folder with a raw log")
    parser.add_argument("--semrank", default=str(ROOT / "target/release/semrank"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--work", default=None, help="where temporary folders go")
    parser.add_argument("--duckdb-into", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.duckdb_into:
        return duckdb_once(arguments.raw, arguments.duckdb_into, arguments.threads, arguments.memory_mb)
    found, counts, rows = {"semrank": [], "duckdb": []}, {}, 0
    for engine, turn, seconds, peak, cpu, output in turns(arguments):
        found[engine].append((seconds, peak, cpu))
        counts[engine] = json.loads(output)
        if engine == "semrank":
            rows = counts[engine]["log_rows"]
        print(f"{engine:8} turn {turn + 1}: {seconds:7.2f} s  {cpu:7.2f} CPU s  {peak:6.0f} MiB", flush=True)
    expected = counts["duckdb"]
    got = {name: counts["semrank"][name] for name in expected}
    if got != expected:
        sys.exit(f"the counts differ:\nsemrank {got}\nduckdb  {expected}")
    medians = {}
    for engine, runs in found.items():
        seconds, peak, cpu = (statistics.median(column) for column in zip(*runs))
        medians[engine] = seconds
        print(f"{engine:8} median: {seconds:7.2f} s  {cpu:7.2f} CPU s  {peak:6.0f} MiB  {rows / seconds:9.0f} rows/s")
    print(f"semrank / duckdb: {medians['semrank'] / medians['duckdb']:.2f} of the time")


if __name__ == "__main__":
    main()
