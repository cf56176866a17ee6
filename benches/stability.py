"""Are scores stable? Two tests of the default model beside one that knows items by their id alone.

A clone: half the events of some hundred items go to a copy with the same text and a new id. The two are one item to a
person; how far apart are their scores? And two seeds: how far apart are the scores of the same pair of user and item?
Distances are means over pairs, in units of the standard deviation of a user's scores ("relative"), so that a model does not
look stable because its scores are small. After Zheng et al. 2025 (arXiv 2504.02137).

    python3 benches/stability.py target/release/semrank items.tsv sequences.txt WORK [--clones 300] [--users 1000]

`items.tsv` has the columns item and text; a line of `sequences.txt` is a user and the user's items, oldest first.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess

SETS = {
    "default": [],
    "hashed id alone": ["--set", "model.content=false", "--set", "model.prefixes=false"],
}


def arguments():
    parser = argparse.ArgumentParser()
    for name in ["semrank", "items", "sequences", "work"]:
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--clones", type=int, default=300)
    parser.add_argument("--users", type=int, default=1000)
    return parser.parse_args()


def clone(args, rng):
    """Writes the data with clones; returns the cloned items and the users."""
    users = [line.split() for line in args.sequences.read_text().splitlines() if line.strip()]
    count = {}
    for _, *items in users:
        for item in items:
            count[item] = count.get(item, 0) + 1
    cloned = sorted(sorted(count), key=lambda item: -count[item])[: args.clones]
    chosen = set(cloned)
    lines = args.items.read_text().splitlines()
    at = lines[0].split("\t").index("item")
    out = list(lines)
    for line in lines[1:]:
        cells = line.split("\t")
        if cells[at] in chosen:
            cells[at] = "clone" + cells[at]
            out.append("\t".join(cells))
    (args.work / "items.tsv").write_text("\n".join(out) + "\n")
    with open(args.work / "sequences.txt", "w") as file:
        for user, *items in users:
            named = ["clone" + item if item in chosen and rng.random() < 0.5 else item for item in items]
            print(user, *named, file=file)
    return cloned, [user for user, *_ in users]


def semrank(args, *words):
    command = [str(args.semrank), *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def scores(args, run):
    rows = {}
    for line in semrank(args, "score", run, "--pairs", args.work / "pairs.tsv").splitlines():
        user, item, score = line.split("\t")
        rows.setdefault(user, {})[item] = float(score)
    return rows


def finite(values):
    return [value for value in values if abs(value) != float("inf")]


def distance(pairs_of_user):
    """Mean absolute difference, raw and relative to the spread of the user's scores."""
    raw, relative = [], []
    for pairs in pairs_of_user:
        pairs = [pair for pair in pairs if len(finite(pair)) == 2]
        spread = statistics.pstdev([value for pair in pairs for value in pair]) or 1.0
        gaps = [abs(a - b) for a, b in pairs]
        raw += gaps
        relative += [gap / spread for gap in gaps]
    return statistics.mean(raw), statistics.mean(relative)


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    cloned, users = clone(args, rng)
    words = ["import", "--format", "s3rec", "--items", args.work / "items.tsv", "--item-id", "item", "--text", "text"]
    semrank(args, *words, "--events", args.work / "sequences.txt", "--out", args.work / "data")
    with open(args.work / "pairs.tsv", "w") as file:
        for user in rng.sample(users, args.users):
            for item in cloned:
                print(f"{user}\t{item}\n{user}\tclone{item}", file=file)
    found = {}
    for name, sets in SETS.items():
        by_seed = []
        for seed in [1, 2]:
            run = args.work / f"{name.replace(' ', '-')}-{seed}"
            out = semrank(args, "run", "--data", args.work / "data", "--out", run, "--seed", seed, "--json", *sets)
            ndcg = json.loads(out)["rows"][0]["ndcg@10"]
            by_seed.append((scores(args, run), ndcg))
        (one, ndcg), (two, ndcg_two) = by_seed
        clones = distance([[(row[item], row["clone" + item]) for item in cloned] for row in one.values()])
        seeds = distance([[(row[item], two[user][item]) for item in row] for user, row in one.items()])
        found[name] = (clones, seeds)
        print(f"{name}: N@10 {ndcg:.4f} and {ndcg_two:.4f}", flush=True)
        print(f"  item and clone: {clones[0]:.3f}, relative {clones[1]:.4f}")
        print(f"  seed 1 and 2:   {seeds[0]:.3f}, relative {seeds[1]:.4f}", flush=True)
    for at, what in enumerate(["item and clone", "two seeds"]):
        (raw, relative), (base_raw, base_relative) = (found[name][at] for name in ["default", "hashed id alone"])
        print(f"{what}: {1 - raw / base_raw:.0%} nearer, relative {1 - relative / base_relative:.0%}")


main()
