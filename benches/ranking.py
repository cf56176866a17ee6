"""What history, content and delayed feedback bring to click and conversion ranking, on a simulated ad market.

    python3 benches/ranking.py SEMRANK WORK ablation [--impressions 4000000] [--seeds 1]
    python3 benches/ranking.py SEMRANK WORK content  …
    python3 benches/ranking.py SEMRANK WORK delays   …

Each simulates the market into WORK (once), prepares it and trains there; runs that are done are not repeated.

ablation  clicks and conversions without history, with ads only, organic only, both; without dwell; without time.
          Printed by `semrank compare`: NE differences with paired intervals over users.
content   what texts, and texts with semantic ids, bring to clicks, and to conversions by attribution window (1, 7, 28 days)
          and by how many of the conversion labels are kept in training (10, 30, 100 %). Labels that are not kept are
          unknown, not negative, in training and validation; test rows keep theirs. No history tells them, in test neither:
          where a label is not kept, all conversions of its user and item are taken out. Those of no label at all stay. Needs
          pyarrow.
delays    predict-then-train figures of each way of learning from late conversions, days 8 to 30, labels of 7 days.
"""

import argparse
import bisect
import collections
import json
import pathlib
import shutil
import subprocess
import zlib

# Of ablation and content: training on 25 days, validation on 6, test from then on; labels of the first 6 test days are complete
# even with a window of 28 days, and conversions are measured on all test days whose window is over.
DAYS, VALID_DAYS, TEST_DAYS = 65, 6, 34
# Of delays, so that labels of days 8 to 30 are complete.
DELAY_DAYS = 37
ABLATIONS = {
    "all": [],
    "no-history": ["pointwise.reads_history=false"],
    "ads-only": ["pointwise.kinds=ads"],
    "organic-only": ["pointwise.kinds=organic"],
    "no-dwell": ["pointwise.reads_dwell=false"],
    "no-time": ["pointwise.reads_time=false"],
}
CONTENTS = {
    "ids": ["model.content=false", "model.prefixes=false"],
    "texts": ["model.prefixes=false"],
    "texts-and-semantic-ids": [],
}
DELAYS = {
    "naive": ["train.delay=naive"],
    "window": ["train.delay=window"],
    "fake-negative": ["train.delay=fake-negative-weighted"],
    "elapsed": ["train.delay=elapsed"],
    "weibull": ["train.delay=delay-model", "pointwise.hazard=weibull"],
    "piecewise": ["train.delay=delay-model", "pointwise.hazard=piecewise"],
    "oracle": ["train.delay=oracle"],
}


class Bench:
    """Stages, each made once."""

    def __init__(self, args):
        self.program, self.work = args.semrank, args.work
        self.impressions, self.seeds = args.impressions, range(1, args.seeds + 1)

    def call(self, *words):
        return subprocess.run([self.program, *map(str, words)], check=True, capture_output=True, text=True).stdout

    def once(self, out, *words):
        if not out.exists():
            self.call(*words, "--out", out)
        return out

    def market(self, days, *flags):
        name = "-".join(["market", str(self.impressions), *(word.strip("-") for word in flags)])
        words = ["simulate", "--impressions", self.impressions, "--days", days, *flags]
        return self.once(self.work / name, *words)

    def prepared(self, raw, window, *flags):
        out = self.work / f"{raw.name}-{window}d"
        return self.once(out, "prep", "--data", raw, "--conversion-days", window, *flags)

    def split(self, window):
        """The market of ablation and content."""
        return self.prepared(self.market(DAYS), window, "--valid-days", VALID_DAYS, "--test-days", TEST_DAYS)

    def run(self, data, name, task, seed, settings):
        out = self.work / f"{data.name}-{task}-{name}-{seed}"
        if not (out / "report").exists():
            flags = [word for setting in [f"task={task}", *settings] for word in ("--set", setting)]
            self.call("run", "--data", data, "--out", out, "--seed", seed, "--resume", *flags)
        return out

    def compare(self, title, data, task, ways):
        print(f"\n{title}\n", flush=True)
        runs = [self.run(data, name, task, seed, ways[name]) for name in ways for seed in self.seeds]
        print(self.call("compare", *runs), flush=True)


def ablation(bench):
    data = bench.split(7)
    for task in ["oc", "ctr"]:
        bench.compare(f"{task}: what the model reads", data, task, ABLATIONS)


def content(bench):
    bench.compare("clicks", bench.split(7), "ctr", CONTENTS)
    for days in [7, 1, 28]:
        bench.compare(f"conversions within {days} days", bench.split(days), "oc", CONTENTS)
    for percent in [30, 10]:
        data = thinned(bench.split(7), percent)
        bench.compare(f"conversions within 7 days, {percent} % of the labels", data, "oc", CONTENTS)


def thinned(data, percent):
    """A copy of a prepared data set in which so many of the conversion labels are known; test rows keep theirs, to be measured by.

    With a label that is not known, of a test row too, go all conversions of its user and item in events.parquet, and history_end
    counts anew: histories of test and of training know equally little."""
    out = data.with_name(f"{data.name}-{percent}pc-known")
    if out.exists():
        return out
    staged = out.with_name(out.name + ".partial")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(data, staged)
    unknown = set()
    for batch in batches(data / "examples.parquet", ["user_id", "item_id", "seq", "label_conversion"]):
        for user, item, seq, label in zip(*batch.to_pydict().values()):
            if label is not None and not is_known(seq, percent):
                unknown.add((user, item))
    gone = without_conversions(data, staged, unknown)
    rewrite(data, staged, "examples.parquet", lambda table: with_known_labels(table, percent, gone))
    staged.rename(out)
    return out


def is_known(seq, percent):
    return zlib.crc32(str(seq).encode()) % 100 < percent


def without_conversions(data, staged, pairs):
    """Takes the conversions of these users and items out of events.parquet; of each user, the places where they stood."""
    import pyarrow as arrow

    seen, gone = collections.Counter(), collections.defaultdict(list)

    def rest(table):
        kept = []
        for user, item, action in zip(*(table.column(name).to_pylist() for name in ("user_id", "item_id", "action"))):
            kept.append(action != "conversion" or (user, item) not in pairs)
            if not kept[-1]:
                gone[user].append(seen[user])
            seen[user] += 1
        return table.filter(arrow.array(kept, arrow.bool_()))

    rewrite(data, staged, "events.parquet", rest)
    return gone


def with_known_labels(table, percent, gone):
    import pyarrow as arrow

    names = ("user_id", "seq", "split", "label_conversion", "history_end")
    users, seqs, splits, labels, ends = (table.column(name).to_pylist() for name in names)
    rows = zip(seqs, splits, labels)
    known = [label if split == "test" or is_known(seq, percent) else None for seq, split, label in rows]
    ends = [end - bisect.bisect_left(gone.get(user, ()), end) for user, end in zip(users, ends)]
    for name, values in [("label_conversion", known), ("history_end", ends)]:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), arrow.array(values, arrow.int64()))
    return table


def batches(path, columns=None):
    import pyarrow.parquet as parquet

    return parquet.ParquetFile(path).iter_batches(262_144, columns=columns)


def rewrite(data, staged, name, change):
    """A Parquet file of a data set, batch by batch, into its copy."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    with parquet.ParquetWriter(staged / name, parquet.ParquetFile(data / name).schema_arrow) as sink:
        for batch in batches(data / name):
            sink.write_table(change(arrow.Table.from_batches([batch])))


def delays(bench):
    for family in ["lognormal", "mixture"]:
        data = bench.prepared(bench.market(DELAY_DAYS, "--delays", family), 7)
        figures = {way: progressive(bench, data, way) for way in DELAYS}
        gap = figures["naive"][0] - figures["oracle"][0]
        print(f"\n{family} delays, days 8 to 30: NE, predicted / observed, share of the gap from naive to oracle")
        for way, (ne, calibration) in figures.items():
            print(f"  {way:14} {ne:.4f} {calibration:.3f} {(figures['naive'][0] - ne) / gap:.3f}", flush=True)


def progressive(bench, data, way):
    """Means over days and seeds of NE, and predicted over observed conversions of all of them."""
    days = []
    for seed in bench.seeds:
        run = bench.run(data, way, "oc", seed, ["train.stream=true", *DELAYS[way]])
        facts = json.loads((run / "model" / "model.json").read_text())
        days += [day["conversions"] for day in facts["days"] if 8 <= day["day"] <= 30]
    days = [day for day in days if 0 < day["positives"] < day["rows"]]
    predicted, observed = (sum(day[key] for day in days) for key in ("predicted", "positives"))
    return sum(map(normalised_entropy, days)) / len(days), predicted / observed


def normalised_entropy(day):
    from math import log

    base = day["positives"] / day["rows"]
    return day["loss"] / day["rows"] / -(base * log(base) + (1 - base) * log(1 - base))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("semrank", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("what", choices=["ablation", "content", "delays"])
    parser.add_argument("--impressions", type=int, default=4_000_000)
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    args.semrank = args.semrank.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    {"ablation": ablation, "content": content, "delays": delays}[args.what](Bench(args))


if __name__ == "__main__":
    main()
