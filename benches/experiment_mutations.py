#!/usr/bin/env python3
"""Puts known mistakes of experiment statistics into crates/experiment, one at a time, and prints the test that finds each.

    python3 benches/experiment_mutations.py [--only WORD] [--shared ../shared]

The mistakes go into a temporary copy of the workspace. Without `--shared` the copy has no reference files, so that the tests of this
repository alone must find them. Ends with 1 when a mistake survives. Artefacts go to a folder of their own, `mutations` in the target
folder: cargo must never take a library with a mistake for a fresh one.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = "crates/experiment/src"

# One after the other until a test fails, which is faster than building all of them for every mistake; the last has everything.
STEPS = [["--test", name] for name in ("mistakes", "counts")] + [[]]

# (mistake, file, text, what it becomes); every text occurs once in its file.
MUTATIONS = [
    ("variance over n", "moments.rs", "comoment[i * self.columns() + j] / (self.n - 1.0)", "comoment[i * self.columns() + j] / self.n"),
    ("covariances over n", "moments.rs", "self.comoment(i, j) / (self.n - 1.0)", "self.comoment(i, j) / self.n"),
    (
        "pooled degrees of freedom for Welch's",
        "estimate.rs",
        "if spread > 0.0 { (va + vb) * (va + vb) / spread } else { a.n + b.n - 2.0 }",
        "{ let _ = spread; a.n + b.n - 2.0 }",
    ),
    ("normal p for t", "estimate.rs", "|df| student_upper(x, df)", "|_| normal_upper(x)"),
    ("normal interval for t", "estimate.rs", "|df| student_upper_quantile(tail, df)", "|_| normal_upper_quantile(tail)"),
    ("control known in the lift", "relative.rs", "+ ratio * ratio * control.variance / control.n", "+ 0.0 * ratio"),
    (
        "control known in the log of the lift",
        "relative.rs",
        "control_log.variance / control.n + treatment_log.variance / treatment.n",
        "treatment_log.variance / treatment.n",
    ),
    (
        "control known in Fieller's interval",
        "relative.rs",
        "let ((mc, sc), (mt, st)) = (control, treatment);",
        "let ((mc, sc), (mt, st)) = ((control.0, 0.0 * control.1), treatment);",
    ),
    ("control known in the margin", "non_inferiority.rs", "vt + factor * factor * vc", "vt + vc + 0.0 * factor"),
    (
        "control known in the lift with covariates",
        "cuped.rs",
        "control.variance_of(&gradient)? / control.n() + t.variance / t.n / (base * base)",
        "t.variance / t.n / (base * base) + 0.0 * control.variance_of(&gradient)?",
    ),
    ("N per arm in a look", "verify/looks.rs", "let n = c.n + t.n;", "let n = c.n;"),
    ("N per arm in a path of looks", "verify/looks.rs", "contrast(&c, &t).unwrap_or(nothing), n0 + n1)", "contrast(&c, &t).unwrap_or(nothing), n0)"),
    (
        "rho from alpha / 2",
        "sequential.rs",
        "Alternative::TwoSided { self.alpha } else",
        "Alternative::TwoSided { self.alpha / 2.0 } else",
    ),
    ("one-sided rho from alpha", "sequential.rs", "else { 2.0 * self.alpha };", "else { self.alpha };"),
    (
        "theta per arm",
        "cuped.rs",
        'same_length("theta", theta.len(), self.covariates.len())?;',
        'same_length("theta", theta.len(), self.covariates.len())?;\n        let theta = &self.theta(&[arm], Pooling::Total)?;',
    ),
    (
        "lift with covariates over the adjusted mean",
        "cuped.rs",
        "let (base, metric_gradient) = self.metric.at(control)?;",
        "let (base, metric_gradient) = (c.value, self.metric.at(control)?.1);",
    ),
    (
        "p with covariates from the unadjusted variance",
        "cuped.rs",
        "value, variance: arm.variance_of(&gradient)? }",
        "value, variance: arm.variance_of(&self.metric.at(arm)?.1)? }",
    ),
    (
        "effect with covariates unadjusted",
        "cuped.rs",
        "value -= weight * (covariate - term.at(all)?.0);",
        "value -= 0.0 * weight * (covariate - term.at(all)?.0);",
    ),
    ("maturity by the first window", "counts.rs", "windows_ms.values().copied().max()", "windows_ms.values().copied().next()"),
    ("maturity by the last window", "counts.rs", "windows_ms.values().copied().max()", "windows_ms.values().copied().last()"),
    ("a cap per arm", "quantile.rs", "arms.iter().flat_map(", "arms.iter().take(1).flat_map("),
    ("window closed", "counts.rs", "(index..index.saturating_add(windows[action]))", "(index..=index.saturating_add(windows[action]))"),
    ("phase closed", "counts/rows.rs", "(definition.start_ms..definition.end_ms)", "(definition.start_ms..=definition.end_ms)"),
    ("bucket range closed", "assign.rs", "bucket >= start && bucket < end", "bucket >= start && bucket <= end"),
    ("namespace closed", "assign.rs", "self.start <= bucket && bucket < self.end", "self.start <= bucket && bucket <= self.end"),
    ("weights of 0 in the degrees of freedom", "srm.rs", "let df = arms.len() as f64 - 1.0;", "let df = users.len() as f64 - 1.0;"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only mistakes whose name has this word")
    parser.add_argument("--shared", type=pathlib.Path, help="folder of reference files and data for the tests")
    args = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if args.only in mutation[0]]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    os.environ["CARGO_TARGET_DIR"] = str(target.resolve() / "mutations")
    os.environ.update(CARGO_INCREMENTAL="1", CARGO_PROFILE_RELEASE_OPT_LEVEL="1")
    with tempfile.TemporaryDirectory() as work:
        copy = pathlib.Path(work) / "workspace"
        copy_workspace(copy)
        if args.shared:
            (copy.parent / "shared").symlink_to(args.shared.resolve())
        sys.exit(hunt(copy, chosen))


def copy_workspace(copy):
    """The files that git knows or would add, as they are now; their times are new, so that cargo builds them."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "Cargo.*", "crates"]
    names = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)


def hunt(copy, chosen):
    """Tests every mistake; 1 when one survives."""
    texts = [(name, copy / SOURCE / file, old, new) for name, file, old, new in chosen]
    for name, path, old, _ in texts:
        if (found := path.read_text().count(old)) != 1:
            sys.exit(f"{name}: its text occurs {found} times in {path.name}; it must occur once")
    if failing := failing_test(copy):
        sys.exit(f"without a mistake {failing} fails")
    survivors = 0
    for name, path, old, new in texts:
        begin, text = time.monotonic(), path.read_text()
        path.write_text(text.replace(old, new))
        failing = failing_test(copy)
        path.write_text(text)
        survivors += failing is None
        print(f"{name:48} {failing or 'SURVIVES':64} {time.monotonic() - begin:5.1f} s", flush=True)
    print(f"{len(texts) - survivors} of {len(texts)} mistakes break a test")
    return int(survivors > 0)


def failing_test(copy):
    """The first test that fails; none when all pass."""
    for step in STEPS:
        words = ["cargo", "test", "--release", "-p", "semrank-experiment", "--locked", *step]
        run = subprocess.run(words, cwd=copy, capture_output=True, text=True)
        if failed := re.search(r"^test (.+) \.\.\. FAILED$", run.stdout, re.MULTILINE):
            return failed[1]
        if run.returncode != 0:
            sys.exit(f"cargo failed without a failing test:\n{run.stderr[-3000:]}")
    return None


if __name__ == "__main__":
    main()
