#!/usr/bin/env python3
"""Click training beside Vowpal Wabbit on the same rows, in one run, turn by turn.

    semrank simulate --impressions 10000000 --out raw && semrank prep --data raw --out ads
    python -m venv env && env/bin/pip install vowpalwabbit pyarrow
    env/bin/python benches/vw.py SEMRANK ads WORK [--repeats 3]

Vowpal Wabbit reads user, item, advertiser, surface, slot and hour, linearly or with low-rank interactions of every pair of fields
(`--lrqfa`, its field-aware factorisation), in one pass over a text file that is written beforehand. The program reads these, the
user's history and texts. Times are of training alone; memory is the peak of the training process. NE and AUC are of the test rows.
"""

import argparse
import datetime
import json
import math
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

WAYS = {"linear": [], "field-aware": ["--lrqfa", "uiasph4"]}
COLUMNS = ["split", "user_id", "item_id", "timestamp", "label_click", "surface", "slot"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("semrank")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    rows = write_text(args.data, args.work)
    figures = {way: [] for way in [*WAYS, "semrank"]}
    for repeat in range(args.repeats):
        for way, flags in WAYS.items():
            figures[way].append(vowpal_wabbit(args.work, flags))
        figures["semrank"].append(semrank(args, repeat))
    print(f"{rows:,} training rows; medians of {args.repeats}")
    for way, runs in figures.items():
        seconds, cpu, mib, ne, auc = (statistics.median(column) for column in zip(*runs))
        print(
            f"  {way:12} {seconds:6.1f} s, {cpu:6.1f} CPU s, {rows / seconds:9,.0f} rows/s, {rows / cpu:9,.0f} rows/CPU s, "
            f"{mib:6,.0f} MiB, test NE {ne:.4f}, AUC {auc:.4f}"
        )


def write_text(data, work):
    """The rows in Vowpal Wabbit's format; returns how many are for training."""
    import pyarrow.parquet as parquet

    items = parquet.read_table(data / "items.parquet", columns=["item_id", "advertiser_id"])
    advertisers = dict(zip(*(items[name].to_pylist() for name in items.column_names)))
    count = 0
    with open(work / "train.vw", "w") as train, open(work / "test.vw", "w") as test:
        for batch in parquet.ParquetFile(data / "examples.parquet").iter_batches(262_144, columns=COLUMNS):
            for split, user, item, at, click, surface, slot in zip(*(batch.column(name).to_pylist() for name in COLUMNS)):
                hour = datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc).hour
                line = f"{2 * click - 1} |u {user} |i {item} |a {advertisers[item]} |s {surface} |p p{slot} |h h{hour}\n"
                if split == "train":
                    train.write(line)
                    count += 1
                elif split == "test":
                    test.write(line)
    return count


def vowpal_wabbit(work, flags):
    model, predictions = work / "vw.model", work / "vw.txt"
    train = ["-d", work / "train.vw", "-f", model, "--loss_function", "logistic", "-b", 22, "--random_seed", 1, *flags]
    figures = json.loads(child("train", train))
    child("test", ["-d", work / "test.vw", "-t", "-i", model, "-p", predictions, "--link", "logistic"])
    labels = [line[0] == "1" for line in open(work / "test.vw")]
    scores = [float(line) for line in open(predictions)]
    return *figures, *quality(labels, scores)


def child(what, words):
    """Runs this file as a process of its own, so that its time and memory are those of one training."""
    words = [sys.executable, __file__, "--child", *map(str, words), "--quiet"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def in_child(words):
    import vowpalwabbit

    start = time.monotonic()
    vowpalwabbit.Workspace(" ".join(words)).finish()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))


def semrank(args, repeat):
    out = args.work / f"semrank-{repeat}"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        [args.semrank, "run", "--data", args.data, "--out", out, "--set", "task=ctr", "--threads", "2"],
        check=True,
        capture_output=True,
    )
    timing = json.loads((out / "model" / "timing.json").read_text())
    seen = subprocess.run(
        [args.semrank, "evaluate", out, "--task", "ctr", "--json"], check=True, capture_output=True, text=True
    )
    report = json.loads(seen.stdout)
    return timing["seconds"], timing["cpu_seconds"], timing["peak_rss_mb"], report["ne"], report["auc"]


def quality(labels, scores):
    """Normalised entropy and AUC (Mann-Whitney, ties count half)."""
    rate = sum(labels) / len(labels)
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    loss = -sum(math.log(max(p if y else 1 - p, 1e-15)) for y, p in zip(labels, scores)) / len(labels)
    pairs = sorted(zip(scores, labels))
    above, at = 0.0, 0
    while at < len(pairs):
        end = at
        while end < len(pairs) and pairs[end][0] == pairs[at][0]:
            end += 1
        positives = sum(label for _, label in pairs[at:end])
        above += positives * (at + end + 1) / 2
        at = end
    positives = sum(labels)
    auc = (above - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))
    return loss / entropy, auc


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        in_child(sys.argv[2:])
    else:
        main()
