"""Residual k-means of this program beside faiss' ResidualQuantizer, alternately, on the same vectors.

    python3 -m venv /tmp/faiss && /tmp/faiss/bin/pip install faiss-cpu numpy
    cargo build --release -p semrank-tokens --example residual_kmeans
    /tmp/faiss/bin/python benches/peers/faiss_residual.py [--items 1000000] [--rounds 3]

All fit the same levels and codes with the same passes on the same number of points a code, on two threads. "faiss" is its
ResidualQuantizer with beam 1 and plain k-means (no progressive dimensions, no refinement of codebooks), trained on all vectors,
which it then encodes once in `train`; "faiss sample" trains it on as many vectors as k-means uses; "faiss k-means" is the leanest
program with its parts: `Kmeans` on the residuals of that sample and an `IndexFlatL2` search a level. semrank has its defaults.
Times are medians over the rounds; "fit+encode" is what a catalogue costs. On a machine with other work compare CPU times of
`--threads 1`: two OpenMP threads that wait for each other count as busy.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

DIM, LEVELS, BITS = 384, 3, 8
ROOT = pathlib.Path(__file__).resolve().parents[2]


def clustered(path, items):
    """Unit vectors in a tree of 2,000 clusters with 10 parts each."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((2000, DIM), dtype=np.float32)
    parts = 0.6 * rng.standard_normal((20000, DIM), dtype=np.float32)
    with open(path, "wb") as out:
        for first in range(0, items, 100_000):
            rows = min(100_000, items - first)
            part = rng.integers(0, 20000, rows)
            x = centres[part // 10] + parts[part] + 0.5 * rng.standard_normal((rows, DIM), dtype=np.float32)
            (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("<f4").tofile(out)


class Quantizer:
    """ResidualQuantizer without extras."""

    def __init__(self, args):
        import faiss

        self.inner = faiss.ResidualQuantizer(DIM, LEVELS, BITS)
        self.inner.train_type = faiss.ResidualQuantizer.Train_default
        self.inner.max_beam_size = 1
        self.inner.cp.niter = args.iterations
        self.inner.cp.max_points_per_centroid = args.points
        self.inner.cp.seed = args.seed
        self.train, self.encode, self.decode = self.inner.train, self.inner.compute_codes, self.inner.decode


class Levels:
    """Kmeans on what the levels before leave, and a flat search."""

    def __init__(self, args):
        self.args, self.levels = args, []

    def train(self, x):
        import faiss

        left = x.copy()
        for level in range(LEVELS):
            options = {"niter": self.args.iterations, "max_points_per_centroid": self.args.points}
            kmeans = faiss.Kmeans(DIM, 1 << BITS, seed=self.args.seed + level, **options)
            kmeans.train(left)
            self.levels.append(kmeans)
            left -= kmeans.centroids[kmeans.index.search(left, 1)[1][:, 0]]

    def encode(self, x):
        codes = np.empty((len(x), LEVELS), np.uint8)
        for first in range(0, len(x), 65536):
            left = x[first : first + 65536].copy()
            for level, kmeans in enumerate(self.levels):
                found = kmeans.index.search(left, 1)[1][:, 0]
                codes[first : first + 65536, level] = found
                left -= kmeans.centroids[found]
        return codes

    def decode(self, codes):
        return sum(kmeans.centroids[codes[:, level]] for level, kmeans in enumerate(self.levels))


def faiss_round(args):
    import faiss

    faiss.omp_set_num_threads(args.threads)
    x = np.fromfile(args.vectors, "<f4").reshape(-1, DIM)
    quantizer = Levels(args) if args.side == "faiss k-means" else Quantizer(args)
    train = x
    if args.side != "faiss":
        rows = np.random.default_rng(args.seed).permutation(len(x))[: args.points << BITS]
        train = np.ascontiguousarray(x[rows])
    wall, cpu = time.perf_counter(), time.process_time()
    quantizer.train(train)
    fit_wall, fit_cpu = time.perf_counter() - wall, time.process_time() - cpu
    wall, cpu = time.perf_counter(), time.process_time()
    codes = quantizer.encode(x)
    encode_wall, encode_cpu = time.perf_counter() - wall, time.process_time() - cpu
    mean = x.mean(axis=0, dtype=np.float64)
    off = spread = 0.0
    for first in range(0, len(x), 50_000):
        part = x[first : first + 50_000].astype(np.float64)
        off += ((part - quantizer.decode(codes[first : first + 50_000])) ** 2).sum()
        spread += ((part - mean) ** 2).sum()
    times = {"fit_wall_s": fit_wall, "fit_cpu_s": fit_cpu, "encode_wall_s": encode_wall, "encode_cpu_s": encode_cpu}
    print(json.dumps({"error": off / spread, **times}))


def run(side, args, seed):
    if side == "semrank":
        command = [str(ROOT / "target/release/examples/residual_kmeans"), args.vectors, f"dim={DIM}"]
        command += [f"levels={LEVELS}", f"codes={1 << BITS}", f"iterations={args.iterations}"]
        command += [f"points_per_code={args.points}", f"threads={args.threads}", f"seed={seed}"]
    else:
        # A child process each, so that no side inherits another's threads.
        command = [sys.executable, __file__, "--side", side, "--seed", str(seed), "--vectors", args.vectors]
        command += ["--threads", str(args.threads), "--iterations", str(args.iterations)]
        command += ["--points", str(args.points)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(args):
    import faiss

    if not pathlib.Path(args.vectors).exists():
        clustered(args.vectors, args.items)
    sides = args.sides.split(",")
    results = {side: [] for side in sides}
    for round_ in range(args.rounds):
        for side in sides:
            results[side].append(run(side, args, round_ + 1))
    print(f"faiss {faiss.__version__}, numpy {np.__version__}, Python {platform.python_version()}, {args.threads} threads")
    print(f"{args.items:,} x {DIM}, {LEVELS} levels of {1 << BITS} codes, {args.iterations} passes, {args.points} points a code")
    names = ["fit_wall_s", "fit_cpu_s", "encode_wall_s", "encode_cpu_s"]
    print(f"{'median of ' + str(args.rounds):14}" + "".join(f"{name:>15}" for name in names) + f"{'fit+encode':>12}{'error':>9}")
    for side in sides:
        median = {name: statistics.median(result[name] for result in results[side]) for name in names}
        total = statistics.median(r["fit_wall_s"] + r["encode_wall_s"] for r in results[side])
        error = statistics.mean(result["error"] for result in results[side])
        print(f"{side:14}" + "".join(f"{median[name]:15.2f}" for name in names) + f"{total:12.2f}{error:9.4f}")
    for side in sides[1:]:
        pairs = list(zip(results[side], results["semrank"]))
        ratio = {name: statistics.median(f[name] / s[name] for f, s in pairs) for name in names}
        print(f"{side} / semrank: " + ", ".join(f"{name} {ratio[name]:.2f}" for name in names))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--vectors", default="/tmp/semrank-vectors.f32")
    parser.add_argument("--sides", default="semrank,faiss k-means,faiss sample,faiss", help="semrank first")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    faiss_round(parsed) if parsed.side else main(parsed)
