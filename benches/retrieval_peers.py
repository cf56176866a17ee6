#!/usr/bin/env python3
"""Exact search of vectors beside faiss and usearch, in one run, turn by turn, on one thread each.

    cargo bench -p semrank-nn --bench scan_peer --no-run      # prints the path of SCAN_PEER
    python -m venv env && env/bin/pip install faiss-cpu usearch
    env/bin/python benches/retrieval_peers.py SCAN_PEER WORK [--rows 1000000] [--dim 64] [-k 500] [--searches 60]

Vectors and queries are random normal numbers. Every query goes to every engine before the next one does, and the order of the engines
changes with the query, so that whatever else runs on the machine slows all of them. Ratios are a peer's time by ours: the median over
queries, and that of the least times, which is the fairer one on a busy machine, where a long search is interrupted and a short one is
not. Results are compared with those of faiss's flat index: recall 1 means the same rows. The peers' filters are
faiss's `IDSelectorBitmap`; usearch's exact search has none, so it is measured on all rows only. faiss's 8-bit index (`SQ8`) is
approximate; `SQ8 + f32` takes four times as many rows from it and scores them anew, which costs it both copies.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import faiss  # noqa: E402
import numpy as np  # noqa: E402
import usearch  # noqa: E402
import usearch.index  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan_peer")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("-k", type=int, default=500)
    parser.add_argument("--searches", type=int, default=60)
    parser.add_argument("--eligible", type=float, nargs="+", default=[1, 10, 50, 100], help="percent")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(args.seed)
    values = random.standard_normal((args.rows, args.dim), dtype=np.float32)
    queries = random.standard_normal((args.searches, args.dim), dtype=np.float32)
    values.tofile(args.work / "vectors.f32")
    print(
        f"{args.rows:,} rows, D = {args.dim}, best {args.k}, {args.searches} searches per share; "
        f"faiss {faiss.__version__} ({faiss.get_compile_options().strip()}), usearch {usearch.__version__}"
    )
    engines = [
        Flat(values),
        *(Semrank(args, precision) for precision in ("f32", "int8")),
        *(Quantized(values, rescored) for rescored in (False, True)),
        Usearch(values),
    ]
    for engine in engines:
        print(f"  {engine.name:14} built in {engine.seconds:6.2f} s, {engine.mib:6,.0f} MiB")
    print(f"  {'':14} {'eligible':>8} {'p50 ms':>9} {'least':>9} {'p99':>9} {'recall':>7}  by semrank f32, int8 (least)")
    for percent in args.eligible:
        compare(engines, queries, args, percent)
    for engine in engines:
        engine.close()


def compare(engines, queries, args, percent):
    """Runs all queries on all engines and prints what they took."""
    mask = np.random.default_rng(args.seed).random(args.rows) * 100 < percent
    takes_part = [engine for engine in engines if percent == 100 or engine.filters]
    for engine in takes_part:
        engine.allow(None if percent == 100 else mask)
    times, recalls = ({engine.name: [] for engine in takes_part} for _ in range(2))
    for at, query in enumerate(queries):
        order = takes_part[at % len(takes_part) :] + takes_part[: at % len(takes_part)]
        found = {}
        for engine in order:
            took, found[engine.name] = engine.search(query, args.k)
            times[engine.name].append(took)
        for name, rows in found.items():
            recalls[name].append(len(np.intersect1d(rows, found["faiss flat"])) / args.k)
    for name, took in times.items():
        ours = [times[f"semrank {precision}"] for precision in ("f32", "int8")]
        ratios = [f"{statistics.median(a / b for a, b in zip(took, our)):5.2f} ({min(took) / min(our):5.2f})" for our in ours]
        print(
            f"  {name:14} {percent:7}% {statistics.median(took):9.3f} {min(took):9.3f} {sorted(took)[len(took) * 99 // 100]:9.3f} "
            f"{statistics.mean(recalls[name]):7.4f}  {'  '.join(ratios)}",
            flush=True,
        )


def resident_mib():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) / 256


class Peer:
    """An index in this process, whose memory is what building it added."""

    filters = True

    def __init__(self, name, build):
        before, begin = resident_mib(), time.monotonic()
        self.name, self.index = name, build()
        self.seconds, self.mib = time.monotonic() - begin, resident_mib() - before
        self.selector = None

    def allow(self, mask):
        self.selector = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def parameters(self):
        return None

    def search(self, query, k):
        query, parameters = query[None], self.parameters()
        begin = time.perf_counter()
        _, rows = self.index.search(query, k, params=parameters)
        return (time.perf_counter() - begin) * 1e3, rows[0]

    def close(self):
        pass


class Flat(Peer):
    def __init__(self, values):
        def build():
            index = faiss.IndexFlatIP(values.shape[1])
            index.add(values)
            return index

        super().__init__("faiss flat", build)

    def parameters(self):
        return self.selector and faiss.SearchParameters(sel=self.selector)


class Quantized(Peer):
    def __init__(self, values, rescored):
        def build():
            index = faiss.IndexScalarQuantizer(
                values.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
            )
            self.base = index
            index = faiss.IndexRefineFlat(index) if rescored else index
            index.train(values[:100_000])
            index.add(values)
            return index

        self.rescored = rescored
        super().__init__("faiss SQ8 + f32" if rescored else "faiss SQ8", build)

    def parameters(self):
        base = faiss.SearchParameters(sel=self.selector) if self.selector else None
        if not self.rescored:
            return base
        refined = faiss.IndexRefineSearchParameters(k_factor=4.0)
        self.kept, refined.base_index_params = base, base
        return refined


class Usearch(Peer):
    filters = False

    def __init__(self, values):
        super().__init__("usearch exact", lambda: values)

    def search(self, query, k):
        begin = time.perf_counter()
        found = usearch.index.search(self.index, query, k, "ip", exact=True, threads=1)
        return (time.perf_counter() - begin) * 1e3, found.keys


class Semrank:
    """A process that answers one search per line, and times it."""

    filters = True

    def __init__(self, args, precision):
        self.name, self.work = f"semrank {precision}", args.work
        words = [args.scan_peer, args.work / "vectors.f32", str(args.dim), precision]
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds, self.mib = map(float, self.child.stdout.readline().split())

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def allow(self, mask):
        # A file of its own: the other process may still be reading.
        file = "-" if mask is None else self.work / f"{self.name.replace(' ', '-')}.u8"
        if mask is not None:
            mask.astype(np.uint8).tofile(file)
        self.tell(f"eligible {file}")

    def search(self, query, k):
        self.tell(f"search {k} " + " ".join(repr(float(x)) for x in query))
        took, *rows = self.child.stdout.readline().split()
        return float(took), np.array(rows, dtype=np.int64)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


if __name__ == "__main__":
    main()
