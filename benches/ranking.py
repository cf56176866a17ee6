"""What history, content and delayed feedback bring to click and conversion ranking, on a simulated ad market.

    python3 benches/ranking.py SEMRANK WORK ablation [--impressions 1000000] [--seeds 3]
    python3 benches/ranking.py SEMRANK WORK content  …
    python3 benches/ranking.py SEMRANK WORK delays   …

Each simulates a market for every seed into WORK (once), prepares it and trains there with the same seed; runs that are done are not
repeated. Differences are of runs on one market; printed are their mean over the markets and, in brackets, the least and the greatest.

ablation  clicks and conversions without history, with ads only, organic only, both; without dwell; without ages, places, hour.
counts    counts that stand still after validation against counts that go on over the test days, as labels become known.
content   what texts, and texts with semantic ids, bring to clicks, and to conversions by attribution window (1, 7, 28 days)
          and by how many of the conversion labels are kept in training (10, 30, 100 %). Labels that are not kept are
          unknown, not negative, in training and validation; test rows keep theirs. No history tells them, in test neither:
          where a label is not kept, all conversions of its user and item are taken out. Those of no label at all stay. Needs
          pyarrow.
delays    predict-then-train figures of each way of learning from late conversions, days 8 to 30, labels of 7 days; beside them
          a bound, the same market with conversions that arrive at the click. Needs pyarrow.
"""

import argparse
import bisect
import collections
import functools
import json
import pathlib
import shutil
import statistics
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
    "no-ages": ["pointwise.reads_time=false"],
    "no-places": ["pointwise.reads_places=false"],
    "no-hour": ["pointwise.reads_hour=false"],
}
CONTENTS = {
    "ids": ["model.content=false", "model.prefixes=false"],
    "texts": [],
    "texts-and-semantic-ids": ["pointwise.prefixes=true"],
}
COUNTS = {"stand-still": [], "go-on": ["pointwise.known=past"]}
# Of the ways of DELAYS, the one that learns from a copy of the data without delays.
BOUND = "without-delays"
DELAYS = {
    "naive": ["train.delay=naive"],
    "window": ["train.delay=window"],
    "fake-negative": ["train.delay=fake-negative-weighted"],
    "elapsed": ["train.delay=elapsed"],
    "weibull": ["train.delay=delay-model", "pointwise.hazard=weibull"],
    "piecewise": ["train.delay=delay-model", "pointwise.hazard=piecewise"],
    BOUND: ["train.delay=naive"],
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

    def market(self, days, seed, *flags):
        name = "-".join(["market", str(self.impressions), str(seed), *(word.strip("-") for word in flags)])
        words = ["simulate", "--impressions", self.impressions, "--days", days, "--seed", seed, *flags]
        return self.once(self.work / name, *words)

    def prepared(self, raw, window, *flags):
        out = self.work / f"{raw.name}-{window}d"
        return self.once(out, "prep", "--data", raw, "--conversion-days", window, *flags)

    def split(self, window, seed):
        """A market of ablation, content and counts."""
        return self.prepared(self.market(DAYS, seed), window, "--valid-days", VALID_DAYS, "--test-days", TEST_DAYS)

    def run(self, data, name, task, seed, settings):
        out = self.work / f"{data.name}-{task}-{name if settings else 'defaults'}-{seed}"
        if not (out / "report").exists():
            flags = [word for setting in [f"task={task}", *settings] for word in ("--set", setting)]
            self.call("run", "--data", data, "--out", out, "--seed", seed, "--resume", *flags)
        return out

    def compare(self, title, data, task, ways):
        """`data` makes the data set of a seed; the first way is the reference."""
        answers = []
        for seed in self.seeds:
            market = data(seed)
            runs = [self.run(market, name, task, seed, settings) for name, settings in ways.items()]
            answers.append(json.loads(self.call("compare", "--json", *runs))["runs"])
        print_table(title, ways, answers)
        if task == "oc":
            print_table(f"{title}, given a click", ways, [[run["given_click"] for run in runs] for runs in answers])


def print_table(title, ways, answers):
    """Of each way its figures, and how far NE and AUC are from the first way's."""
    print(f"\n{title}\n\n{'':24} {'NE':>6} {'AUC':>6} {'predicted / observed':>22} {'NE less':>26} {'AUC less':>26}")
    for way, runs in zip(ways, zip(*answers)):
        ne, auc = (mean(run[key] for run in runs) for key in ("ne", "auc"))
        less = [[run["difference"][key]["value"] for run in runs] for key in ("ne", "auc") if runs[0]["difference"]]
        calibration = spread([run["calibration"] for run in runs], ".2f")
        print(f"{way:24} {ne:.4f} {auc:.4f} {calibration:>22}", *(f"{spread(values, '+.4f'):>26}" for values in less), flush=True)


def spread(values, form):
    return f"{mean(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def mean(values):
    return statistics.fmean(values)


def ablation(bench):
    bench.compare("what the model reads", functools.partial(bench.split, 7), "oc", ABLATIONS)


def counts(bench):
    bench.compare("counts", functools.partial(bench.split, 7), "oc", COUNTS)


def content(bench):
    bench.compare("clicks", functools.partial(bench.split, 7), "ctr", CONTENTS)
    bench.compare("conversions within 7 days", functools.partial(bench.split, 7), "oc", CONTENTS)
    for percent in [30, 10]:
        title = f"conversions within 7 days, {percent} % of the labels"
        bench.compare(title, lambda seed: thinned(bench.split(7, seed), percent), "oc", CONTENTS)
    for days in [1, 28]:
        bench.compare(f"conversions within {days} days", functools.partial(bench.split, days), "oc", CONTENTS)


def thinned(data, percent):
    """A copy of a prepared data set in which so many of the conversion labels are known; test rows keep theirs, to be measured by.

    With a label that is not known, of a test row too, go all conversions of its user and item in events.parquet, and history_end
    counts anew: histories of test and of training know equally little."""
    def change(staged):
        unknown = set()
        for batch in batches(data / "examples.parquet", ["user_id", "item_id", "seq", "label_conversion"]):
            for user, item, seq, label in zip(*batch.to_pydict().values()):
                if label is not None and not is_known(seq, percent):
                    unknown.add((user, item))
        gone = without_conversions(data, staged, unknown)
        rewrite(data, staged, "examples.parquet", lambda table: with_known_labels(table, percent, gone))

    return copied(data, f"{percent}pc-known", change)


def copied(data, suffix, change):
    """A copy of a prepared data set, made once; `change` rewrites files of the folder that it is given."""
    out = data.with_name(f"{data.name}-{suffix}")
    if out.exists():
        return out
    staged = out.with_name(out.name + ".partial")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(data, staged)
    change(staged)
    staged.rename(out)
    return out


def without_delays(data):
    """A copy of a prepared data set whose conversions arrive at the click."""
    def at_the_click(table):
        for late, click in [("conversion_time", "click_time"), ("conversion_received", "click_received")]:
            if late in table.column_names:
                times = zip(table.column(late).to_pylist(), table.column(click).to_pylist())
                table = with_integers(table, late, [None if late is None else click for late, click in times])
        return table

    return copied(data, BOUND, lambda staged: rewrite(data, staged, "examples.parquet", at_the_click))


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
    names = ("user_id", "seq", "split", "label_conversion", "history_end")
    users, seqs, splits, labels, ends = (table.column(name).to_pylist() for name in names)
    rows = zip(seqs, splits, labels)
    known = [label if split == "test" or is_known(seq, percent) else None for seq, split, label in rows]
    ends = [end - bisect.bisect_left(gone.get(user, ()), end) for user, end in zip(users, ends)]
    return with_integers(with_integers(table, "label_conversion", known), "history_end", ends)


def with_integers(table, name, values):
    """The table with other values in a column."""
    import pyarrow as arrow

    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), arrow.array(values, arrow.int64()))


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
        figures = {way: [] for way in DELAYS}
        for seed in bench.seeds:
            data = bench.prepared(bench.market(DELAY_DAYS, seed, "--delays", family), 7)
            for way in DELAYS:
                read = without_delays(data) if way == BOUND else data
                figures[way].append(progressive(bench, read, way, seed))
        print(f"\n{family} delays, days 8 to 30: NE, predicted / observed, NE less that of naive")
        for way, of_seeds in figures.items():
            nes, calibrations = zip(*of_seeds)
            less = [ne - naive for (naive, _), ne in zip(figures["naive"], nes)]
            print(f"  {way:14} {spread(nes, '.4f')} {spread(calibrations, '.3f')} {spread(less, '+.4f')}", flush=True)


def progressive(bench, data, way, seed):
    """Mean of a run's NE over days, and predicted over observed conversions of all of them."""
    run = bench.run(data, way, "oc", seed, ["train.stream=true", *DELAYS[way]])
    days = json.loads((run / "model" / "model.json").read_text())["days"]
    days = [day["conversions"] for day in days if 8 <= day["day"] <= 30]
    days = [day for day in days if 0 < day["positives"] < day["rows"]]
    predicted, observed = (sum(day[key] for day in days) for key in ("predicted", "positives"))
    return mean(map(normalised_entropy, days)), predicted / observed


def normalised_entropy(day):
    from math import log

    base = day["positives"] / day["rows"]
    return day["loss"] / day["rows"] / -(base * log(base) + (1 - base) * log(1 - base))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("semrank", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("what", choices=["ablation", "content", "counts", "delays"])
    parser.add_argument("--impressions", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


def main():
    args = arguments()
    args.semrank = args.semrank.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    {"ablation": ablation, "content": content, "counts": counts, "delays": delays}[args.what](Bench(args))


if __name__ == "__main__":
    main()
