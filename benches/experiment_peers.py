#!/usr/bin/env python3
"""Recomputes the experiment cases with the libraries they came from, and compares file, library and `semrank experiment verify`.

    python -m venv env && env/bin/pip install gbstats tea-tasting spotify-confidence statsmodels planout six mmh3 'pyarrow<22'
    env/bin/python benches/experiment_peers.py SEMRANK FILE [--data DIR]

FILE is `experiment_cases_2.json`. A line per group and library: cases in the group, cases that the library computes, those that agree with
the file, and with ours, within the group's tolerance. Only what a library gives is compared. A library that is not installed is passed over.
Groups of which no library knows anything, or whose library cannot be installed, are computed from the formula with numpy and scipy.
"""

import argparse
import importlib.metadata
import itertools
import json
import math
import re
import subprocess
import sys
import warnings

import numpy as np
from scipy import optimize, special, stats

warnings.filterwarnings("ignore")
Z = stats.norm.ppf(0.975)
PEERS = []


def peer(group, library):
    """Registers how a library answers a case: the keys of `expect` that it knows, or None."""

    def register(function):
        PEERS.append((group, library, function))
        return function

    return register


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("semrank")
    parser.add_argument("file")
    parser.add_argument("--data")
    args = parser.parse_args()
    with open(args.file) as file:
        groups = {name: group for name, group in json.load(file).items() if isinstance(group, dict)}
    words = [args.semrank, "experiment", "verify", args.file, "--json"] + (["--data", args.data] if args.data else [])
    ours = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["cases"]
    got = {(case["group"], case["name"]): case["got"] for case in ours}
    print(f"{'group':24} {'cases':>5} {'computed':>8} {'as file':>7} {'as ours':>7}  library")
    wrong, covered = 0, set()
    for group, library, function in PEERS:
        if not (version := installed(library)):
            print(f"{group:24} skipped: {library} is not installed")
            continue
        try:
            counts = compare(groups[group], group, function, got)
        except ImportError as error:
            print(f"{group:24} skipped: {library} does not start: {error}")
            continue
        covered |= {(group, name) for name in counts[1]}
        computed, as_file, as_ours = counts[0]
        wrong += 2 * computed - as_file - as_ours
        print(f"{group:24} {len(groups[group]['cases']):5} {computed:8} {as_file:7} {as_ours:7}  {library} {version}", flush=True)
    total = sum(len(group["cases"]) for group in groups.values())
    print(f"{len({group for group, _ in covered})} of {len(groups)} groups, {len(covered)} of {total} cases; {wrong} disagreements")
    print("not recomputed:", ", ".join(sorted(set(groups) - {group for group, _ in covered})) or "none")
    sys.exit(wrong > 0)


def installed(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def compare(family, group, function, got):
    """Cases computed, agreeing with the file, agreeing with ours; and the names of those computed."""
    counts, names = [0, 0, 0], []
    for case in family["cases"]:
        found = function(case)
        if found is None:
            continue
        limit = tolerance(group, case.get("tolerance") or family["tolerance"])
        counts[0] += 1
        names.append(case["name"])
        for at, (whose, other) in enumerate([("file", case["expect"]), ("ours", got[group, case["name"]])], start=1):
            bad = list(differences(found, other, limit))
            counts[at] += not bad
            for line in bad:
                print(f"  {group}/{case['name']}{line} ({whose})")
    return counts, names


def tolerance(group, text):
    """Relative and absolute limits; figures in the file have 12 digits."""
    relative, absolute = (re.search(rf"{word} (\S*\d)", text) for word in ("relative", "absolute"))
    if group == "group_sequential":
        return 0.0, 1e-3
    if relative:
        return float(relative[1]), 1e-12
    return (0.0, float(absolute[1])) if absolute else (1e-9, 1e-12)


def differences(found, expected, limit, path=""):
    if isinstance(found, dict):
        for key, value in found.items():
            if isinstance(expected, dict) and key in expected:
                yield from differences(value, expected[key], limit, f"{path}.{key}")
    elif isinstance(found, (list, tuple, np.ndarray)):
        if not isinstance(expected, list) or len(found) != len(expected):
            yield f"{path}: {found} {expected}"
            return
        for at, (a, b) in enumerate(zip(found, expected)):
            yield from differences(a, b, limit, f"{path}[{at}]")
    elif found is None or isinstance(found, (str, bool, np.bool_)):
        if found != expected:
            yield f"{path}: {found} {expected}"
    elif not isinstance(expected, (int, float)) or not abs(found - expected) <= limit[0] * abs(expected) + limit[1]:
        yield f"{path}: {found} {expected}"


# Samples in the forms of the file.


def arms(case):
    return [case[key] for key in (("a", "b") if "a" in case else ("control", "treatment"))]


def sums(arm):
    """Units, sum, sum of squares of an arm of values, rows, or sums."""
    if isinstance(arm, dict):
        return arm["n"], arm["sum"], arm.get("ss", arm["sum"])
    values = np.array(arm, dtype=float)
    values = values[:, 0] if values.ndim == 2 else values
    return len(values), values.sum(), (values**2).sum()


def interval(value, half):
    return [value - half, value + half]


# Sample ratio.


@peer("srm", "scipy")
def srm(case):
    if "users_by_day" in case:
        return {"p_day": [stats.chisquare(day).pvalue for day in case["users_by_day"]], "p_all": stats.chisquare(np.sum(case["users_by_day"], 0)).pvalue}
    rows = [(n, w) for n, w in zip(case["users"], case["weights"]) if w > 0]
    users, weights = map(np.array, zip(*rows))
    found = stats.chisquare(users, users.sum() * weights / weights.sum())
    return {"chi2": found.statistic, "p": found.pvalue, "df": len(rows) - 1}


@peer("srm", "gbstats")
def srm_gbstats(case):
    from gbstats.utils import check_srm

    # It keeps arms without weight in the degrees of freedom.
    if "users" in case and min(case["weights"]) > 0:
        return {"p": check_srm(case["users"], case["weights"])}
    return None


@peer("srm_sequential", "scipy")
def srm_sequential(case):
    weights = np.array(case["weights"])
    posterior, log, p, out = case["concentration"] * weights, 0.0, 1.0, {"bayes_factor": [], "p": []}
    for batch in np.array(case["batches"]):
        log += special.gammaln(posterior.sum()) - special.gammaln(posterior.sum() + batch.sum())
        log += (special.gammaln(posterior + batch) - special.gammaln(posterior) - batch * np.log(weights)).sum()
        posterior, p = posterior + batch, min(p, math.exp(-log))
        out["bayes_factor"].append(math.exp(log))
        out["p"].append(p)
    return out


# Two samples.


@peer("proportion", "statsmodels")
def proportion(case):
    from statsmodels.stats import proportion as sm

    (x0, n0), (x1, n1) = arms(case)
    z, p = sm.proportions_ztest([x1, x0], [n1, n0])
    score = sm.test_proportions_2indep(x1, n1, x0, n0, method="score", compare="diff", correction=True)
    newcombe = list(sm.confint_proportions_2indep(x1, n1, x0, n0, method="newcomb", compare="diff"))
    return {"pooled": {"z": z, "p": p}, "score": {"p": score.pvalue}, "newcombe": {"ci": newcombe}}


@peer("proportion", "scipy")
def proportion_score(case):
    # statsmodels 0.15 takes successes for units in the cubic of its score interval, so that swapping the arms changes it.
    (x0, n0), (x1, n1) = arms(case)

    def z(d):
        slope = lambda p: x0 / p - (n0 - x0) / (1 - p) + x1 / (p + d) - (n1 - x1) / (1 - p - d)
        p = optimize.brentq(slope, max(0, -d) + 1e-13, min(1, 1 - d) - 1e-13, xtol=1e-16)
        variance = (p * (1 - p) / n0 + (p + d) * (1 - p - d) / n1) * (n0 + n1) / (n0 + n1 - 1)
        return (x1 / n1 - x0 / n0 - d) / math.sqrt(variance)

    d = x1 / n1 - x0 / n0
    ends = [optimize.brentq(lambda at: z(at) - side * Z, d, -side * 0.999, xtol=1e-15) for side in (1, -1)]
    fisher = {"fisher_p": stats.fisher_exact([[x0, n0 - x0], [x1, n1 - x1]]).pvalue} if "fisher_p" in case["expect"] else {}
    return {"score": {"ci": ends}, **fisher}


def gb_test(a, b, kind="TwoSidedTTest", **config):
    from gbstats.frequentist import tests

    settings = tests.SequentialConfig if kind.startswith("Sequential") else tests.FrequentistConfig
    return getattr(tests, kind)(a, b, settings(**config))


def gb_result(test, ci="ci", p="p"):
    return {"d": test.point_estimate, "se": math.sqrt(test.variance), ci: list(test.confidence_interval), p: test.p_value}


def gb_mean(arm):
    from gbstats.models.statistics import ProportionStatistic, SampleMeanStatistic

    if isinstance(arm, list) and len(arm) == 2 and not isinstance(arm[0], list):
        return ProportionStatistic(n=arm[1], sum=arm[0])
    n, total, squares = sums(arm)
    return SampleMeanStatistic(n=n, sum=total, sum_squares=squares)


@peer("proportion", "gbstats")
def proportion_gbstats(case):
    a, b = map(gb_mean, arms(case))
    return {f"gb_t_{kind}": gb_result(gb_test(a, b, difference_type=kind)) for kind in ("relative", "absolute")}


@peer("mean", "scipy")
def mean(case):
    control, treatment = arms(case)
    if isinstance(control, dict):
        return None
    found = stats.ttest_ind(treatment, control, equal_var=False)
    return {"t": found.statistic, "df": found.df, "p": found.pvalue, "ci": list(found.confidence_interval())}


@peer("mean", "gbstats")
def mean_gbstats(case):
    control, treatment = arms(case)
    if case.get("alternative") == "greater":
        test = gb_test(gb_mean(control), gb_mean(treatment), "OneSidedTreatmentGreaterTTest", difference_type="relative")
        found = gb_result(test)
        return {"d": found["d"], "se": found["se"], "p": found["p"], "bound": found["ci"][0]}
    if isinstance(control, dict):
        return None
    a, b = gb_mean(control), gb_mean(treatment)
    return {"relative_delta": gb_result(gb_test(a, b, difference_type="relative")), "p": gb_test(a, b, difference_type="absolute").p_value}


def tea_aggregates(case):
    from tea_tasting.aggr import Aggregates

    def aggregate(arm):
        if isinstance(arm, dict):
            pairs = {tuple(sorted(key.split(","))): value for key, value in arm.get("covariance", {}).items()}
            return Aggregates(count_=arm["n"], mean_=arm["mean"], var_=arm["variance"], cov_=pairs)
        rows = np.array(arm, dtype=float)
        rows = rows[:, None] if rows.ndim == 1 else rows
        names = ["y", "x", "u", "v"][: rows.shape[1]]
        cov = np.atleast_2d(np.cov(rows.T))
        pairs = {tuple(sorted(pair)): cov[names.index(pair[0]), names.index(pair[1])] for pair in itertools.combinations(names, 2)}
        return Aggregates(count_=len(rows), mean_=dict(zip(names, rows.mean(0))), var_={name: cov[i, i] for i, name in enumerate(names)}, cov_=pairs)

    return tuple(map(aggregate, arms(case)))


def tea(case, metric):
    control, treatment = tea_aggregates(case)
    return metric.analyze_aggregates(control, treatment)


@peer("mean", "tea-tasting")
def mean_tea(case):
    import tea_tasting

    if "a" in case:
        return None
    name = "orders" if isinstance(case["control"], dict) else "y"
    found = tea(case, tea_tasting.Mean(name))
    ci = [found.effect_size_ci_lower, found.effect_size_ci_upper]
    log = [found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper]
    return {"diff": found.effect_size, "ci": ci, "p": found.pvalue, "relative_log": {"ci": log}}


@peer("moments", "numpy")
def moments(case):
    values = np.concatenate(case["shards"]) - case["shards"][0][0]
    shards = [None if len(shard) < 2 else np.var(np.array(shard) - shard[0], ddof=1) for shard in case["shards"]]
    return {"n": len(values), "mean": values.mean() + case["shards"][0][0], "variance": values.var(ddof=1), "shard_variance": shards}


def gb_ratio(rows):
    from gbstats.models.statistics import RatioStatistic, SampleMeanStatistic

    rows = np.array(rows, dtype=float)
    part = [SampleMeanStatistic(n=len(rows), sum=column.sum(), sum_squares=(column**2).sum()) for column in rows.T[:2]]
    return RatioStatistic(n=len(rows), m_statistic=part[0], d_statistic=part[1], m_d_sum_of_products=(rows[:, 0] * rows[:, 1]).sum())


@peer("ratio_delta", "gbstats")
def ratio(case):
    control, treatment = arms(case)
    if isinstance(control, dict):
        return None
    a, b = gb_ratio(control), gb_ratio(treatment)
    plain = gb_result(gb_test(a, b, difference_type="absolute"), "ci_t", "p_t")
    relative = gb_result(gb_test(a, b, difference_type="relative"), "ci_t", "p_t")
    return {"ratio": [a.mean, b.mean], "diff": plain["d"], **plain, "relative_delta": relative}


@peer("ratio_delta", "tea-tasting")
def ratio_tea(case):
    import tea_tasting

    if isinstance(case["control"], dict):
        found = tea(case, tea_tasting.RatioOfMeans("orders", "sessions", alternative="greater", equal_var=True))
        return {"diff": found.effect_size, "p_t": found.pvalue, "lower_t_95": found.effect_size_ci_lower}
    found = tea(case, tea_tasting.RatioOfMeans("y", "x"))
    log = [found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper]
    return {"diff": found.effect_size, "p_t": found.pvalue, "relative_log_ci_t": log}


@peer("relative", "scipy")
def relative(case):
    (mc, sc), (mt, st) = ((arm["mean"], arm["se"]) for arm in arms(case))
    lift, se = (mt - mc) / abs(mc), math.hypot(st, mt / mc * sc) / abs(mc)
    log = interval(math.log(mt / mc), Z * math.hypot(st / mt, sc / mc))
    edges = np.roots([mc**2 - Z**2 * sc**2, -2 * mt * mc, mt**2 - Z**2 * st**2])
    ends = sorted(float(edge.real) - 1 for edge in edges)
    kind = {"kind": "interval", "ci": ends} if mc**2 > Z**2 * sc**2 else {"kind": "outside", "excluded": ends}
    p = [2 * stats.norm.sf(abs(z)) for z in ((mt - mc) / math.hypot(sc, st), lift / se)]
    # The sign of the delta lift follows control's.
    return {"lift": mt / mc - 1, "log": [math.expm1(end) for end in log], "fieller": kind, "p_absolute": p[0], "p_relative_delta": p[1]}


# Covariates.


def gb_adjusted(rows, theta=0.0):
    from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic

    y, x = np.array(rows, dtype=float).T
    part = [SampleMeanStatistic(n=len(y), sum=values.sum(), sum_squares=(values**2).sum()) for values in (y, x)]
    return RegressionAdjustedStatistic(n=len(y), post_statistic=part[0], pre_statistic=part[1], post_pre_sum_of_products=(x * y).sum(), theta=theta)


@peer("cuped", "gbstats")
def cuped_gbstats(case):
    from gbstats.models.statistics import compute_theta

    if "arms" in case:
        return None
    control, treatment = arms(case)
    theta = compute_theta(gb_adjusted(control), gb_adjusted(treatment))
    found = gb_result(gb_test(gb_adjusted(control, theta), gb_adjusted(treatment, theta), difference_type="absolute"), "ci_t", "p_t")
    return {"theta": theta, "diff": found["d"], "se": found["se"], "ci_t": found["ci_t"], "p_t": found["p_t"]}


@peer("cuped", "tea-tasting")
def cuped_tea(case):
    import tea_tasting

    if "arms" in case or case["name"].startswith("constant"):
        return None
    found = tea(case, tea_tasting.Mean("y", covariate="x"))
    return {"adjusted_means": [found.control, found.treatment], "diff": found.effect_size, "p_t": found.pvalue}


@peer("cuped_ratio", "tea-tasting")
def cuped_ratio_tea(case):
    import tea_tasting

    if "control" not in case:
        return None
    found = tea(case, tea_tasting.RatioOfMeans("y", "x", "u", "v"))
    log = [found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper]
    ci = [found.effect_size_ci_lower, found.effect_size_ci_upper]
    total = {"adjusted": [found.control, found.treatment], "diff": found.effect_size, "p_t": found.pvalue, "ci_t": ci, "relative_log_ci_t": log}
    return {"total": total}


@peer("regression_adjustment", "statsmodels")
def regression(case):
    import statsmodels.api as sm

    rows = np.array(case["control"] + case["treatment"])
    arm = np.repeat([0.0, 1.0], [len(case["control"]), len(case["treatment"])])
    centred = rows[:, 1:] - rows[:, 1:].mean(0)
    common = np.column_stack([np.ones(len(arm)), arm, centred])
    lin = np.column_stack([common, arm[:, None] * centred])
    out = {f"{kind}_se": sm.OLS(rows[:, 0], lin).fit(cov_type=kind).bse[1] for kind in ("HC0", "HC1", "HC2", "HC3")}
    fit, plain = sm.OLS(rows[:, 0], lin).fit(), sm.OLS(rows[:, 0], common).fit(cov_type="HC2")
    return {**out, "effect": fit.params[1], "control_mean": fit.params[0], "ancova_effect": plain.params[1], "ancova_HC2_se": plain.bse[1]}


@peer("cluster_robust", "statsmodels")
def clusters(case):
    import statsmodels.api as sm

    y, arm, cluster = np.array(case["rows"], dtype=float).T
    model = sm.OLS(y, sm.add_constant(arm))
    plain, corrected = (
        model.fit(cov_type="cluster", cov_kwds={"groups": cluster.astype(int), "use_correction": flag}, use_t=True) for flag in (False, True)
    )
    return {"effect": plain.params[1], "cr0_se": plain.bse[1], "cr1_se": corrected.bse[1], "p_t": corrected.pvalues[1]}


# Quantiles and caps.


@peer("quantile", "gbstats")
def quantile(case):
    from gbstats.models.statistics import QuantileStatistic

    if not isinstance(case["control"], dict) or case["name"].startswith("flat"):
        return None

    def arm(values):
        low, high = values["outer"]
        return QuantileStatistic(n=values["n"], n_star=values["n"], nu=case["q"], quantile_hat=values["quantile"], quantile_lower=low, quantile_upper=high)

    a, b = map(arm, arms(case))
    return {f"gbstats_{kind}": gb_result(gb_test(a, b, difference_type=kind), "ci_t") for kind in ("relative", "absolute")}


@peer("winsor", "scipy")
def winsor(case):
    control, treatment = (np.array(arm) for arm in arms(case))
    both = np.concatenate([control, treatment])
    cap = np.quantile(both[both != 0] if case["ignore_zeros"] else both, case["q"])
    found = stats.ttest_ind(np.minimum(treatment, cap), np.minimum(control, cap), equal_var=False)
    means = [np.minimum(arm, cap).mean() for arm in (control, treatment)]
    return {"cap": cap, "means": means, "p_t": found.pvalue, "ci_t": list(found.confidence_interval()), "capped": [int((arm > cap).sum()) for arm in (control, treatment)]}


# Looks.


@peer("asymptotic_cs", "gbstats")
def sequence(case):
    if "looks" in case or case["name"].startswith("one_sided"):
        return None
    a, b = map(gb_mean, arms(case))
    settings = {"alpha": case["alpha"], "sequential_tuning_parameter": case["N_star"], "difference_type": case["difference"]}
    test = gb_test(a, b, "SequentialTwoSidedTTest", **settings)
    return {**gb_result(test), "rho": test.rho}


@peer("msprt", "scipy")
def msprt(case):
    p, out = 1.0, []
    for n, difference, variance in case["looks"]:
        spread = math.sqrt(variance / n + case["tau2"])
        ratio = stats.norm.pdf(difference, 0, spread) / stats.norm.pdf(difference, 0, math.sqrt(variance / n))
        p = min(p, 1 / ratio)
        out.append({"lambda": ratio, "p": p})
    return {"looks": out}


@peer("uniform_boundary", "scipy")
def boundary(case):
    # confseq has no wheel, and its source does not build everywhere: the formulas of the paper.
    alpha = case.get("alpha_opt", 0.05)
    # confseq's approximation of the exact value, which has Lambert's function.
    best = lambda v, a: v / (-2 * math.log(a) + math.log1p(-2 * math.log(a)))
    if "trials" in case:
        return None
    v, two_sided = case["v"], "two_sided" in case["name"]
    rho = best(case["v_opt"], alpha if two_sided else 2 * alpha)
    # The mixture over a normal, or half a normal, of standard deviation 1 / sqrt(rho).
    mixture = lambda s: math.log((1 if two_sided else 2 * stats.norm.cdf(s / math.sqrt(v + rho)))) + 0.5 * math.log(rho / (v + rho)) + s * s / (2 * (v + rho))
    return {"log_mixture_at_s_10": mixture(10), "bound": optimize.brentq(lambda s: mixture(s) + math.log(case["alpha"]), 0, 10 * v)}


@peer("group_sequential", "spotify-confidence")
def group_sequential(case):
    from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds

    if case["kind"] != "power" or "users" in case:
        return None
    found = bounds(np.array(case["information"]), case["alpha"], case["phi"], 8.0, 2)
    return {"bounds": list(found.df.zb.values)}


# Several tests, power, guardrails.


@peer("multiplicity_2", "statsmodels")
def multiplicity(case):
    from statsmodels.stats.multitest import multipletests

    names = {"bonferroni": "bonferroni", "sidak": "sidak", "holm": "holm", "holm_sidak": "holm-sidak", "hochberg": "simes-hochberg"}
    names |= {"hommel": "hommel", "bh": "fdr_bh", "by": "fdr_by"}
    return {key: list(multipletests(case["p"], method=name)[1]) for key, name in names.items()}


@peer("power_2", "statsmodels")
def power(case):
    from statsmodels.stats.power import tt_ind_solve_power

    if "ratio" not in case:
        return None
    n = tt_ind_solve_power(effect_size=case["effect_size"], alpha=case["alpha"], power=case["power"], ratio=case["ratio"])
    return {"n_control": n, "n_treatment": n * case["ratio"]}


@peer("power_2", "scipy")
def power_normal(case):
    if "baseline" not in case:
        return None
    p, q = case["baseline"], case["baseline"] * (1 + case["relative_lift"])
    z = stats.norm.ppf(1 - case["alpha"] / 2) + stats.norm.ppf(case["power"])
    return {"n_per_arm": z**2 * (p * (1 - p) + q * (1 - q)) / (q - p) ** 2}


@peer("non_inferiority", "scipy")
def guardrail(case):
    (x0, n0), (x1, n1) = arms(case)
    p0, p1, m = x0 / n0, x1 / n1, case["margin"]
    v0, v1 = p0 * (1 - p0) / n0, p1 * (1 - p1) / n1
    z = {"random_margin": (p1 - (1 - m) * p0) / math.sqrt(v1 + (1 - m) ** 2 * v0), "fixed_margin": (p1 - p0 + m * p0) / math.sqrt(v0 + v1)}
    bound = p1 - p0 - stats.norm.ppf(1 - case["alpha"]) * math.sqrt(v0 + v1)
    return {**{key: {"z": z, "p": stats.norm.sf(z)} for key, z in z.items()}, "lower_bound_95_of_difference": bound, "margin_absolute": m * p0}


@peer("bayesian", "gbstats")
def bayesian(case):
    from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig

    a, b = map(gb_mean, arms(case))
    found = EffectBayesianABTest(a, b, EffectBayesianConfig(difference_type="relative")).compute_result()
    return {"posterior_mean": found.uplift.mean, "posterior_sd": found.uplift.stddev, "ci_95": list(found.ci), "chance_to_win": found.chance_to_win}


# Few units.


@peer("few_units", "scipy")
def few(case):
    if "campaigns" in case:
        control, treatment = np.array(case["campaigns"]).T
        found = stats.ttest_rel(treatment, control)
        flips = stats.permutation_test((treatment - control,), np.mean, permutation_type="samples", n_resamples=np.inf)
        p = {"wilcoxon_p": stats.wilcoxon(treatment, control, method="exact").pvalue, "sign_flip_p": flips.pvalue}
        return {"t": found.statistic, "p_t": found.pvalue, "ci_t": list(found.confidence_interval()), **p}
    gap = lambda t, c, axis: np.mean(t, axis) - np.mean(c, axis)
    found = stats.permutation_test((case["treatment"], case["control"]), gap, vectorized=True, n_resamples=np.inf)
    return {"diff": found.statistic, "p_two_sided_by_abs": np.mean(np.abs(found.null_distribution) >= abs(found.statistic) - 1e-12)}


@peer("bootstrap_exact", "numpy")
def bootstrap(case):
    means = [np.array(list(itertools.product(arm, repeat=len(arm)))).mean(1) for arm in arms(case)]
    return {"mean": means[1].mean() - means[0].mean(), "se": math.sqrt(means[0].var() + means[1].var())}


@peer("triggered", "scipy")
def triggered(case):
    (tc, rc), (tt, rt) = ((arm["triggered"], arm["rest"]) for arm in arms(case))
    share = (tc[0] + tt[0]) / (tc[0] + tt[0] + rc[0] + rt[0])

    def gap(c, t):
        d, se = t[1] - c[1], math.sqrt(c[2] / c[0] + t[2] / t[0])
        return {"diff": d, "se": se, "p_z": 2 * stats.norm.sf(abs(d / se))}

    inside = gap(tc, tt)
    srm = {f"srm_{name}_p": stats.chisquare(n).pvalue for name, n in (("all", [tc[0] + rc[0], tt[0] + rt[0]]), ("triggered", [tc[0], tt[0]]))}
    diluted = {"diff": inside["diff"] * share, "se_share_known": inside["se"] * share}
    return {"trigger_share": share, "triggered": inside, "complement": gap(rc, rt), "diluted": diluted, **srm}


# Conversions, days, segments.


@peer("late_conversions", "statsmodels")
def late(case):
    from statsmodels.duration.survfunc import SurvfuncRight

    out = {}
    for key in ("control", "treatment"):
        seen = lambda age, delay: delay is not None and delay < case["window_days"]
        time = [delay if seen(age, delay) else min(age, case["window_days"]) for age, delay in case[key]]
        curve = SurvfuncRight(time, [seen(age, delay) for age, delay in case[key]])
        out[key] = {"kaplan_meier": {"rate": 1 - curve.surv_prob[-1], "se": curve.surv_prob_se[-1]}}
    return out


@peer("over_time_and_segments", "statsmodels")
def over_time(case):
    import statsmodels.api as sm
    from statsmodels.stats.meta_analysis import combine_effects

    variance = np.array(case["se"]) ** 2
    if "effects" in case:
        found = combine_effects(np.array(case["effects"]), variance, method_re="chi2")
        test = found.test_homogeneity()
        return {"pooled": found.mean_effect_fe, "Q": found.q, "df": found.df, "p": test.pvalue, "I2": found.i2, "tau2_dl": found.tau2}
    effects = np.array(case["effect_by_day_since_first_exposure"])
    fit = sm.WLS(effects, sm.add_constant(np.log1p(np.arange(len(effects)))), weights=1 / variance).fit(cov_type="fixed scale")
    at = fit.get_prediction([[1.0, math.log(29)]])
    return {"intercept": fit.params[0], "slope": fit.params[1], "slope_se": fit.bse[1], "p_z": fit.pvalues[1], "at_day_28": at.predicted_mean[0], "at_day_28_se": at.se_mean[0]}


# Assignment, interleaving, off-policy.


@peer("hash_vectors", "PlanOut")
def planout(case):
    if case["name"] != "planout":
        return None
    import collections

    # PlanOut 0.6 looks for it where Python before 3.10 had it.
    collections.MutableMapping = collections.abc.MutableMapping
    from planout.assignment import Assignment
    from planout.ops.random import RandomFloat, UniformChoice, WeightedChoice

    def assign(row):
        found = Assignment(case["salt"])
        found.foo = UniformChoice(choices=["a", "b"], unit=row["unit"])
        found.w = WeightedChoice(choices=["x", "y", "z"], weights=[0.2, 0.3, 0.5], unit=row["unit"])
        found.f = RandomFloat(min=0.0, max=1.0, unit=row["unit"])
        return {"foo": found.foo, "w": found.w, "f": found.f}

    return {"assignments": [assign(row) for row in case["expect"]["assignments"]]}


@peer("hash_vectors", "mmh3")
def murmur(case):
    import mmh3

    return {"bucket_of_10000": [mmh3.hash(key, 1, signed=False) * 10_000 >> 32 for key in case["keys"]]} if "keys" in case else None


@peer("interleaving_2", "scipy")
def preference(case):
    if "wins_a" not in case:
        return None
    found = stats.binomtest(case["wins_a"], case["wins_a"] + case["wins_b"])
    return {"sign_test_p": found.pvalue, "win_share": found.statistic, "win_share_ci_95": list(found.proportion_ci(method="exact"))}


@peer("off_policy", "numpy")
def off_policy(case):
    # obp 0.5.7 asks for Python below 3.11: its formulas.
    if "q" not in case:
        return None
    rows = np.arange(len(case["action"]))
    target, q = np.array(case["target"]), np.array(case["q"])
    action, reward = np.array(case["action"]), np.array(case["reward"])
    w = target[rows, action] / np.array(case["propensity"])
    direct, rest = (target * q).sum(1), reward - q[rows, action]
    shrunk = w * case["lambda"] / (w**2 + case["lambda"])
    rounds = {"ipw": w * reward, "clipped_ipw": np.minimum(w, case["lambda"]) * reward, "dm": direct, "dr": direct + w * rest}
    rounds |= {"switch_dr": direct + w * (w <= case["tau"]) * rest, "dr_shrinkage": direct + shrunk * rest}
    out = {name: {"value": values.mean(), "se": values.std(ddof=1) / math.sqrt(len(rows))} for name, values in rounds.items()}
    sndr = direct.mean() + (w * rest).sum() / w.sum()
    return {**out, "sndr": {"value": sndr}, "snips": {"value": (w * reward).sum() / w.sum()}, "ess": w.sum() ** 2 / (w**2).sum(), "mean_weight": w.mean()}


if __name__ == "__main__":
    main()
