//! Three analyses: one that went well with everything there is, one that is invalid, one with nearly nothing.

use semrank_experiment::analysis::{
    Analysis, ArmDelays, ArmValue, Budgets, Calibration, Check, Comparison, DayResult, DelayComparison,
    Delays, Estimate, Guardrail, Latency, LookResult, MetricResult, Relative, SegmentEffect, SegmentResult,
    State, TriggeredResult, UnitCounts, Verdict, Word,
};
use semrank_experiment::definition::{DAY_MS, Definition};
use semrank_experiment::estimate::Interval;
use semrank_experiment::log::Used;

pub(crate) const COMMAND: &str = "semrank experiment analyse --definition content.toml --as-of 2026-02-04T06:00:00Z \\\n  --log shop/log --out content.html";
const START: i64 = 1_767_571_200_000;

/// Two arms and all kinds of metrics.
const TWO: &str = include_str!("definition.toml");

fn definition(text: &str) -> Definition {
    Definition::from_toml(text).expect("a definition that is possible")
}

fn estimate(value: f64, se: f64) -> Estimate {
    let p = 2.0 * semrank_experiment::distribution::normal_upper((value / se).abs());
    Estimate { value, se, interval: Interval::around(value, 2.3 * se), p }
}

fn unbounded(value: f64, se: f64) -> Estimate {
    Estimate {
        interval: Interval { low: f64::NEG_INFINITY, high: f64::INFINITY },
        p: 1.0,
        ..estimate(value, se)
    }
}

fn comparison(arm: &str, control: f64, relative: f64, se: f64) -> Comparison {
    let absolute = estimate(control * relative, control * se);
    Comparison {
        arm: arm.into(),
        missing: None,
        absolute: Some(absolute),
        relative: Some(Relative {
            value: relative,
            interval: Some(absolute.interval.map(|end| end / control)),
            method: "delta method".into(),
        }),
        unadjusted: Some(estimate(control * relative * 0.9, control * se * 1.3)),
        variance_kept: Some(0.594),
        corrected_p: Some(absolute.p),
        correction: Some("holm".into()),
        is_significant: (relative / se).abs() > 2.3,
        guardrail: None,
        triggered: None,
        looks: vec![],
        days: vec![],
        slope_p: None,
        segments: vec![],
        bound: None,
        crossed: None,
        detectable: Some(2.8 * se),
        units_to_come: Some(0.0),
    }
}

fn metric(definition: &Definition, at: usize, control: f64, comparisons: Vec<Comparison>) -> MetricResult {
    let defined = &definition.metrics[at];
    let effect = |arm: &str| {
        comparisons.iter().find(|found| found.arm == arm).and_then(|found| found.relative.as_ref())
    };
    let value = |arm: &str| control * (1.0 + effect(arm).map_or(0.0, |relative| relative.value));
    let arm = |arm: &semrank_experiment::definition::Arm| ArmValue {
        arm: arm.name.clone(),
        matured: 104_211,
        left_out: if defined.window_days > 1.0 { 3_120 } else { 0 },
        value: value(&arm.name),
        se: Some(control * 0.005),
        numerator: value(&arm.name) * 104_211.0,
        denominator: 104_211.0,
    };
    MetricResult {
        name: defined.name.clone(),
        role: defined.role,
        direction: defined.direction,
        method: "regression adjustment, robust errors".into(),
        cap: defined.cap.map(|_| (14.0, 0.0011)),
        arms: definition.arms.iter().map(arm).collect(),
        comparisons,
    }
}

fn guarded(found: Comparison, margin: f64, p: f64) -> Comparison {
    let absolute = margin * 0.1;
    let guardrail =
        Guardrail { margin, margin_absolute: absolute, p, is_held: p < 0.05, is_broken: p > 0.99 };
    Comparison { guardrail: Some(guardrail), ..found }
}

/// Everything that a primary metric may have.
fn primary(arm: &str) -> Comparison {
    let look = |day: i64| {
        let wide = 0.02 / (day as f64).sqrt();
        let value = 0.0045 + 0.004 * (day as f64 * 1.7).sin() / day as f64;
        let effect = if day == 1 { unbounded(value, wide) } else { estimate(value, wide * 0.09) };
        LookResult { day, units: 9_900.0 * day as f64, effect }
    };
    let day = |day: usize| DayResult {
        day,
        value: 0.0012 - 0.0001 * day as f64,
        se: 0.00035 + 0.00002 * day as f64,
    };
    let effects = [
        ("home", 0.0052, 0.0009, 160_000.0),
        ("search", 0.0021, 0.0014, 48_000.0),
        ("<i>new & odd</i>", -0.01, 0.009, 412.0),
    ];
    let effect = |(segment, value, se, units): (&str, f64, f64, f64)| SegmentEffect {
        segment: segment.into(),
        units,
        value,
        se,
    };
    Comparison {
        triggered: Some(TriggeredResult {
            share: 0.412,
            effect: estimate(0.0101, 0.0019),
            diluted: estimate(0.0042, 0.0008),
            complement: Some(estimate(0.0001, 0.0011)),
            variance_ratio: 1.62,
        }),
        looks: (1..=21).map(look).collect(),
        days: (0..7).map(day).collect(),
        slope_p: Some(0.21),
        segments: vec![SegmentResult {
            column: "surface".into(),
            effects: effects.map(effect).into(),
            heterogeneity_p: Some(0.081),
        }],
        bound: Some((0.86, 2.19)),
        ..comparison(arm, 0.1834, 0.0246, 0.0051)
    }
}

fn check(name: &str, state: State, p: Option<f64>, detail: &str) -> Check {
    Check { name: name.into(), state, p, detail: detail.into() }
}

fn checks() -> Vec<Check> {
    vec![
        check("sample ratio", State::Passed, Some(0.43), "107,331 and 107,204 units, planned 50 % and 50 %"),
        check("sample ratio of triggered units", State::Passed, Some(0.71), "44,201 and 44,289 units"),
        check("assignment", State::Passed, None, "every unit has the arm that its hash gives"),
        check(
            "complement",
            State::Passed,
            Some(0.93),
            "units whose list would not have differed show no effect",
        ),
        check("crossovers", State::Warning, None, "0.08 % of the units met two arms; they are left out"),
        check("A/A before the start", State::Skipped, None, "the log begins with the test"),
    ]
}

fn delays(definition: &Definition) -> Delays {
    let curve = |scale: f64| {
        (0..=28)
            .map(|step| f64::from(step) / 4.0)
            .map(|age| (age, scale * (1.0 - (-age / 1.6).exp())))
            .collect()
    };
    let arm = |(at, arm): (usize, &semrank_experiment::definition::Arm)| ArmDelays {
        arm: arm.name.clone(),
        clicks: 80_412 + 311 * at as u64,
        matured: 71_960,
        matured_rate: Some(0.0213 + 0.0006 * at as f64),
        hazard_rate: Some(0.0212 + 0.0007 * at as f64),
        curve: curve(0.0212 + 0.0007 * at as f64),
    };
    let comparison = DelayComparison {
        matured: Some(estimate(0.0006, 0.0003)),
        hazards: Some(estimate(0.0007, 0.00027)),
        same_pace_p: Some(0.003),
        is_slower: Some(true),
    };
    Delays {
        metric: "conversions per click".into(),
        window_days: 7.0,
        arms: definition.arms.iter().enumerate().map(arm).collect(),
        comparisons: vec![comparison; definition.arms.len() - 1],
    }
}

fn calibration() -> Vec<Calibration> {
    let row = |arm: &str, source: Option<&str>, shown: u64, predicted: f64, clicks: u64| Calibration {
        arm: arm.into(),
        source: source.map(str::to_owned),
        shown,
        predicted,
        clicks,
        ratio: (clicks > 0).then(|| predicted / clicks as f64),
    };
    vec![
        row("control", None, 1_204_300, 24_911.4, 24_322),
        row("control", Some("interactions"), 1_204_300, 24_911.4, 24_322),
        row("treatment", None, 1_208_110, 25_870.9, 26_103),
        row("treatment", Some("content"), 240_870, 3_120.2, 4_011),
        row("treatment", Some("co-engagement & more"), 12, 0.0041, 0),
    ]
}

fn counts() -> UnitCounts {
    UnitCounts {
        exposed: vec![107_331, 107_204],
        triggered: vec![44_201, 44_289],
        shadowed: vec![107_331, 107_204],
        duplicates: 1_204,
        outside: 17,
        bots: 341,
        crossovers: 86,
        received_after_as_of: 0,
        without_exposure: 51_022,
        events: 4_120_993,
        by_day: (0..21)
            .map(|day| (day, vec![12_000 / (day as u64 + 1), 11_950 / (day as u64 + 1)]))
            .collect(),
    }
}

/// A test that went well, with everything there is.
pub(crate) fn ship() -> Analysis {
    let definition = definition(TWO);
    let metrics = vec![
        metric(&definition, 0, 0.1834, vec![primary("treatment")]),
        metric(&definition, 1, 0.0203, vec![comparison("treatment", 0.0203, 0.0061, 0.0031)]),
        metric(
            &definition,
            2,
            8.411,
            vec![guarded(comparison("treatment", 8.411, 0.004, 0.0052), 0.01, 0.0042)],
        ),
        metric(
            &definition,
            3,
            0.00121,
            vec![guarded(comparison("treatment", 0.00121, 0.031, 0.012), 0.05, 0.062)],
        ),
        metric(&definition, 4, 12.4, vec![comparison("treatment", 12.4, -0.0091, 0.002)]),
    ];
    let pair = |value, se| Some(estimate(value, se));
    Analysis {
        verdict: Verdict {
            most: None,
            word: Word::Ship,
            sentence: "Treatment raises conversions per user by 2.5 % (1.3 to 3.6 %), and no guardrail is broken.".into(),
            estimand: "The mean effect on a user of the phase within 7 days, while both arms share budgets. A launch to everybody may bring less."
                .into(),
            reasons: vec![
                "The confidence sequence of the primary metric excludes nothing since day 9.".into(),
                "Revenue per user is shown to lose less than 1 %.".into(),
                "The loss of hides per impression is not yet shown to lie within 5 %.".into(),
            ],
            days: None,
        },
        fingerprint: definition.fingerprint(),
        used: vec![Used { time: START, fingerprint: definition.fingerprint() }],
        as_of: START + 30 * DAY_MS + 21_600_000,
        counts: counts(),
        checks: checks(),
        metrics,
        delays: Some(delays(&definition)),
        budgets: Some(Budgets {
            spend: vec![120_433.5, 122_870.25],
            limited_share: 0.137,
            limited: (41, 1_204),
            pairs: vec![pair(12.3, 4.1)],
            pair_lifts: vec![pair(0.019, 0.0063)],
        }),
        calibration: calibration(),
        latency: [("control", false, 8.2), ("control", true, 13.4), ("treatment", false, 9.1), ("treatment", true, 13.6)]
            .map(|(arm, shadowed, p50_ms)| Latency { arm: arm.into(), shadowed, answers: 402_113, p50_ms, p99_ms: p50_ms * 3.4 })
            .into(),
        definition,
    }
}

/// The same with a broken assignment, and a definition that changed.
pub(crate) fn invalid() -> Analysis {
    let mut analysis = ship();
    analysis.verdict = Verdict {
        most: None,
        word: Word::Invalid,
        sentence: "The numbers cannot be trusted: the sample ratio and the trigger failed.".into(),
        estimand: "Nothing, until the fault is found.".into(),
        reasons: vec!["sample ratio: 107,331 and 101,204 units, planned 50 % and 50 % (p < 0.0001)".into()],
        days: None,
    };
    analysis.checks.push(check(
        "sample ratio",
        State::Failed,
        Some(1e-30),
        "107,331 and 101,204 units, planned 50 % and 50 %",
    ));
    analysis.counts.exposed[1] = 101_204;
    analysis.used.push(Used {
        time: START + 5 * DAY_MS + 3_600_000,
        fingerprint: "0123456789abcdef0123456789abcdef01234567".into(),
    });
    analysis
}

/// Three arms early in the phase: infinite ends, missing estimates, names with markup.
pub(crate) fn not_yet() -> Analysis {
    let text = TWO
        .replace("name = \"treatment\", weight = 0.5", "name = \"quota <b>20</b> & more\", weight = 0.25")
        .replace("arms = [", "arms = [ { name = \"a very-long-name-for-an-arm-without-any-space-in-it-at-all_64\", weight = 0.25 },")
        .replace("conversions per user", "orders-per-user-within-7-days-of-the-first-exposure-<script>x");
    let mut definition = definition(&text);
    definition.arms.swap(0, 1);
    definition.hypothesis = String::new();
    let arms: Vec<String> = definition.arms.iter().skip(1).map(|arm| arm.name.clone()).collect();
    let open = |arm: &String| {
        let base = comparison(arm, 0.0203, 0.05, 0.04);
        let absolute = base.absolute.map(|found| unbounded(found.value, found.se));
        let looks = vec![LookResult { day: 1, units: 120.0, effect: unbounded(0.003, 0.004) }];
        Comparison {
            absolute,
            relative: Some(Relative { value: 0.05, interval: None, method: "control may be 0".into() }),
            looks,
            detectable: Some(f64::INFINITY),
            units_to_come: None,
            unadjusted: None,
            variance_kept: Some(f64::NAN),
            ..base
        }
    };
    let missing = |arm: &String| Comparison {
        missing: Some("no unit has matured <yet>".into()),
        absolute: None,
        relative: None,
        unadjusted: None,
        variance_kept: None,
        corrected_p: None,
        correction: None,
        is_significant: false,
        detectable: None,
        units_to_come: Some(f64::NAN),
        ..comparison(arm, 1.0, 0.0, 1.0)
    };
    let mut metrics = vec![metric(&definition, 0, 0.0203, arms.iter().map(open).collect())];
    metrics.extend((1..5).map(|at| metric(&definition, at, f64::NAN, arms.iter().map(missing).collect())));
    metrics[0].arms[0].se = None;
    Analysis {
        verdict: Verdict {
            most: None,
            word: Word::NotYet,
            sentence: "41,200 of 200,000 units have matured; no difference is shown so far.".into(),
            estimand: "The mean effect on a user of the phase.".into(),
            reasons: vec!["No interval of the primary metric has a bound yet.".into()],
            days: Some(11.2),
        },
        fingerprint: definition.fingerprint(),
        used: vec![],
        as_of: START + DAY_MS,
        counts: UnitCounts {
            exposed: vec![51, 60, 58],
            triggered: vec![0, 0, 0],
            shadowed: vec![0, 0, 0],
            ..UnitCounts::default()
        },
        checks: vec![check("sample ratio", State::Passed, Some(f64::NAN), "<few> units")],
        metrics,
        delays: None,
        budgets: None,
        calibration: vec![],
        latency: vec![],
        definition,
    }
}
