"""Wikispeedia (West & Leskovec 2012) as labelled rows for `semrank import --format pointwise`, with two baselines.

People click their way from a start page to a goal page of Wikipedia: a page view is a request, its links are what was shown, and
reaching the goal is the conversion. Standard library and the program `zstd` only.

    python3 benches/wikispeedia.py rows DATA ROWS [--conversions]
    semrank import --format pointwise --items DATA/items.tsv --item-id item --text title,categories --train ROWS/train.tsv.gz \\
        --valid ROWS/valid.tsv.gz --test ROWS/test.tsv.gz --out SET
    python3 benches/wikispeedia.py baselines DATA ROWS
    python3 benches/wikispeedia.py score ROWS ROWS/page_link.tsv predictions.tsv …

rows       reads items, links and paths.parquet of DATA. Clicks (finished paths, 16.5 M rows): every link of every page of a path,
           `label` says whether it was the next page, `request_id` is the page view, `goal` the item that is looked for, `history`
           the path up to and with the page. With --conversions (all paths, 49,000 rows): the third click of a path,
           `label_conversion` says whether the goal was reached later, `history` is the pages before it.
baselines  writes test predictions as `semrank evaluate --predictions` does (user, item, label, score):
           page_link.tsv        the item's rate after the last page of the history, smoothed towards the item's own rate
           page_link_tfidf.tsv  that and the TF-IDF cosine of the item's text to the goal's, in a logistic model fitted on valid
score      prints AUC, AUC by page view (clicks only) and normalised entropy (NE) of predictions of the test rows.

What would leak, and what is done about it:
- User, time and duration exist for unfinished paths only: dropped. A path is a user; times are made up, one page view a second,
  every path as long as the longest one, in the order of a hash.
- Back clicks exist in unfinished paths only: unrolled, as they already are in the finished ones.
- The end of a path and its length tell the outcome: conversions have the first clicks only, of paths not at their goal by then.
- Clicks that are no link of their page, and unknown goals, exist in unfinished paths only: such paths are left out.
- Not curable: unrolling removes the dead ends that a player left later, so first clicks are partly chosen with hindsight.
The split is by the path's hash (80/10/10), so that one path played twice is never in two parts.
"""

import argparse
import collections
import csv
import gzip
import hashlib
import math
import pathlib
import re

from parquet_rows import rows as parquet_rows

PARTS = ["train", "valid", "test"]
CLICKS_SEEN = 3
START_MS, STEP_MS, SHOWN_AFTER_MS = 1_296_518_400_000, 1000, 1
PAIR_SMOOTHING, ITEM_SMOOTHING = 10, 5

Path = collections.namedtuple("Path", "order part pages goal reached")


def write_rows(args):
    items = {item for (item,) in parquet_rows(args.data / "items.parquet", ["item"])}
    links = collections.defaultdict(set)
    for page, link in parquet_rows(args.data / "links.parquet", ["page", "link"]):
        links[page].add(link)
    paths = [read_path(*row) for row in parquet_rows(args.data / "paths.parquet", ["kind", "path", "target"])]
    paths = sorted(path for path in paths if usable(path, items, links, args.conversions))
    step = STEP_MS * max(len(path.pages) for path in paths)
    args.rows.mkdir(parents=True, exist_ok=True)
    files = {part: gzip.open(args.rows / f"{part}.tsv.gz", "wt", compresslevel=1) for part in PARTS}
    for file in files.values():
        columns = "label_conversion" if args.conversions else "request_id"
        print("user", "item", "label", "timestamp", "history", "goal", columns, sep="\t", file=file)
    for number, path in enumerate(paths):
        make = conversion if args.conversions else clicks
        for row in make(path, f"p{number:05}", START_MS + number * step, links):
            print(*row, sep="\t", file=files[path.part])
    for file in files.values():
        file.close()
    print(f"{len(paths)} paths")


def read_path(kind, path, goal):
    pages = []
    for word in path.split():
        if word != "<":
            pages.append(int(word))
        elif len(pages) > 1:  # The start page cannot be left backwards.
            pages.pop()
    order = hashlib.blake2b(f"{path} > {goal}".encode(), digest_size=24).digest()
    # Other bytes than those that order the paths, so that a part is no range of time.
    tenth = int.from_bytes(order[16:], "big") % 10
    return Path(order[:16], PARTS[max(0, tenth - 7)], pages, goal, kind == "finished")


def usable(path, items, links, conversions):
    linked = all(link in links[page] for page, link in zip(path.pages, path.pages[1:]))
    if path.goal not in items or not linked:
        return False
    if conversions:
        return len(path.pages) > CLICKS_SEEN and path.goal not in path.pages[:CLICKS_SEEN + 1]
    return path.reached and len(path.pages) > 1


def clicks(path, user, start, links):
    for view, (page, clicked) in enumerate(zip(path.pages, path.pages[1:])):
        history = " ".join(map(str, path.pages[:view + 1]))
        for link in sorted(links[page]):
            time = start + view * STEP_MS + SHOWN_AFTER_MS
            yield user, link, int(link == clicked), time, history, path.goal, f"{user}-{view}"


def conversion(path, user, start, _):
    history = " ".join(map(str, path.pages[:CLICKS_SEEN]))
    time = start + CLICKS_SEEN * STEP_MS
    yield user, path.pages[CLICKS_SEEN], 1, time, history, path.goal, int(path.reached)


Row = collections.namedtuple("Row", "user item label last goal request")


def read_rows(folder, part):
    with gzip.open(folder / f"{part}.tsv.gz", "rt") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            label = int(row.get("label_conversion", row["label"]))
            yield Row(row["user"], row["item"], label, row["history"].rsplit(" ", 1)[-1], row["goal"], row.get("request_id"))


def write_baselines(args):
    rate, cosine = page_link(args.rows), similarity(args.data / "items.tsv")
    valid = [((logit(rate(row)), cosine(row)), row.label) for row in read_rows(args.rows, "valid")]
    both = logistic(valid)
    names = {"page_link": rate, "page_link_tfidf": lambda row: both((logit(rate(row)), cosine(row)))}
    files = {name: open(args.rows / f"{name}.tsv", "w") for name in names}
    for file in files.values():
        print("user", "item", "label", "score", sep="\t", file=file)
    for row in read_rows(args.rows, "test"):
        for name, score in names.items():
            print(row.user, row.item, row.label, score(row), sep="\t", file=files[name])
    for file in files.values():
        file.close()


def page_link(folder):
    """The smoothed rate of (last page, item) in the training rows."""
    items, pairs = (collections.defaultdict(lambda: [0, 0]) for _ in range(2))
    for row in read_rows(folder, "train"):
        for count in (items[row.item], pairs[row.last, row.item]):
            count[0] += row.label
            count[1] += 1
    positives, rows = (sum(column) for column in zip(*items.values()))
    base = (positives + 0.5) / (rows + 1)

    def rate(row):
        of_item, of_pair = items.get(row.item, (0, 0)), pairs.get((row.last, row.item), (0, 0))
        item = (of_item[0] + ITEM_SMOOTHING * base) / (of_item[1] + ITEM_SMOOTHING)
        return (of_pair[0] + PAIR_SMOOTHING * item) / (of_pair[1] + PAIR_SMOOTHING)

    return rate


def similarity(items):
    """The TF-IDF cosine of a row's item to its goal; words of title and categories."""
    with open(items, newline="") as file:
        texts = {row["item"]: f"{row['title']} {row['categories']}".lower() for row in csv.DictReader(file, delimiter="\t")}
    counts = {item: collections.Counter(re.findall(r"\w+", text)) for item, text in texts.items()}
    known_in = collections.Counter(word for words in counts.values() for word in words)
    vectors = {}
    for item, words in counts.items():
        vector = {word: (1 + math.log(n)) * math.log((1 + len(texts)) / (1 + known_in[word])) for word, n in words.items()}
        length = math.sqrt(sum(value * value for value in vector.values())) or 1
        vectors[item] = {word: value / length for word, value in vector.items()}
    cache = {}

    def cosine(row):
        pair = (row.item, row.goal)
        if pair not in cache:
            a, b = vectors[row.item], vectors[row.goal]
            cache[pair] = sum(value * b.get(word, 0) for word, value in a.items())
        return cache[pair]

    return cosine


def logit(p):
    return math.log(p / (1 - p))


def logistic(rows, steps=8):
    """Newton's method for two features and an intercept."""
    weights = [0.0] * 3
    for _ in range(steps):
        gradient, hessian = [0.0] * 3, [[1e-9 * (i == j) for j in range(3)] for i in range(3)]
        for features, label in rows:
            x = (1.0, *features)
            p = 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, x))))
            for i in range(3):
                gradient[i] += (label - p) * x[i]
                for j in range(3):
                    hessian[i][j] += p * (1 - p) * x[i] * x[j]
        weights = [w + step for w, step in zip(weights, solve(hessian, gradient))]
    return lambda features: 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, (1.0, *features)))))


def solve(matrix, right):
    """Gauss-Jordan elimination; a Hessian has positive pivots."""
    lines = [[*line, value] for line, value in zip(matrix, right)]
    for at, line in enumerate(lines):
        lines[at] = line = [value / line[at] for value in line]
        for other in range(len(lines)):
            if other != at:
                factor = lines[other][at]
                lines[other] = [a - factor * b for a, b in zip(lines[other], line)]
    return [line[-1] for line in lines]


def print_scores(args):
    rows = list(read_rows(args.rows, "test"))
    print(f"{'file':40} {'AUC':>7} {'by page':>8} {'NE':>7}")
    for path in args.predictions:
        scores = matched(rows, path)
        labels = [row.label for row in rows]
        base = sum(labels) / len(labels)
        entropy = -(base * math.log(base) + (1 - base) * math.log(1 - base))
        loss = -sum(math.log(max(p if label else 1 - p, 1e-15)) for p, label in zip(scores, labels)) / len(labels)
        pages = collections.defaultdict(list)
        for row, score in zip(rows, scores):
            pages[row.request].append((score, row.label))
        by_page = [value for value in map(auc, pages.values()) if value is not None]
        by_page = f"{sum(by_page) / len(by_page):8.4f}" if len(pages) > 1 else f"{'–':>8}"
        print(f"{path.name:40} {auc(list(zip(scores, labels))):7.4f} {by_page} {loss / entropy:7.4f}")


def matched(rows, path):
    """The score of each row; a link that was shown to a user several times is matched in order."""
    found = collections.defaultdict(collections.deque)
    with open(path, newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found[row["user"], row["item"]].append(float(row["score"]))
    try:
        return [found[row.user, row.item].popleft() for row in rows]
    except IndexError:
        raise SystemExit(f"{path} lacks test rows: was it made of these rows?") from None


def auc(scored):
    """The share of (positive, negative) pairs in the right order, ties counted half; None without a pair."""
    scored.sort()
    positives = sum(label for _, label in scored)
    negatives = len(scored) - positives
    if not positives or not negatives:
        return None
    below, right, at = 0, 0.0, 0
    while at < len(scored):
        end = at
        while end < len(scored) and scored[end][0] == scored[at][0]:
            end += 1
        here = sum(label for _, label in scored[at:end])
        right += here * (below + (end - at - here) / 2)
        below += end - at - here
        at = end
    return right / positives / negatives


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for name, call in [("rows", write_rows), ("baselines", write_baselines), ("score", print_scores)]:
        verb = verbs.add_parser(name)
        verb.set_defaults(call=call)
        if name != "score":
            verb.add_argument("data", type=pathlib.Path)
        verb.add_argument("rows", type=pathlib.Path)
        if name == "rows":
            verb.add_argument("--conversions", action="store_true")
        if name == "score":
            verb.add_argument("predictions", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    args.call(args)


if __name__ == "__main__":
    main()
