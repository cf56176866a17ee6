//! Calibration by seeded simulation: how often does each method reject equal arms, and how often does its interval cover the truth?
//!
//! Slow ones are ignored: `cargo test --release -p semrank-experiment --test calibration -- --ignored --nocapture` prints every rate.
//! The 99.9 % binomial band of 4,000 runs at 5 % is .039 to .062.

use semrank_experiment::cuped::{Cuped, Pooling};
use semrank_experiment::estimate::{Alternative, Effect, Sample, difference};
use semrank_experiment::few::permutation;
use semrank_experiment::moments::Moments;
use semrank_experiment::random::Stream;
use semrank_experiment::relative::{Fieller, fieller, relative_delta};
use semrank_experiment::sequential::ConfidenceSequence;
use semrank_experiment::spending::{Spending, bounds};
use semrank_experiment::srm::{SequentialSrm, sample_ratio};
use semrank_experiment::survival::{Click, contrast, kaplan_meier, matured, weighted};
use semrank_experiment::triggered::{Arm, analyze};

const SEED: u64 = 20_261_123;
const RUNS: usize = 4_000;

/// Share of runs in which `f` is true.
fn rate(runs: usize, mut f: impl FnMut(&mut Stream) -> bool) -> f64 {
    let mut stream = Stream::new(SEED);
    (0..runs).filter(|_| f(&mut stream)).count() as f64 / runs as f64
}

fn within(name: &str, rate: f64, low: f64, high: f64) {
    println!("{name}: {rate}");
    assert!((low..=high).contains(&rate), "{name}: {rate} outside {low}..{high}, seed {SEED}");
}

fn rejects(effect: &Effect) -> bool {
    effect.p(Alternative::TwoSided).is_ok_and(|p| p < 0.05)
}

fn successes(stream: &mut Stream, n: usize, p: f64) -> f64 {
    (0..n).filter(|_| stream.uniform() < p).count() as f64
}

fn proportions(stream: &mut Stream, n: usize, p: f64) -> Effect {
    let mut arm = || Sample::proportion(successes(stream, n, p), n as f64).expect("valid");
    difference(&arm(), &arm()).expect("finite").normal()
}

/// Two equal arms, 1,000 units at 5 %.
#[test]
fn fixed_test_keeps_its_error_rate_in_few_runs() {
    within(
        "fixed, 1,000 runs",
        rate(1_000, |stream| rejects(&proportions(stream, 1_000, 0.05))),
        0.03,
        0.075,
    );
}

/// Five units an arm, log-normal spend.
#[test]
fn permutation_keeps_its_error_rate_in_few_runs() {
    let found = rate(500, |stream| {
        let mut arm = || (0..5).map(|_| stream.normal().exp()).collect::<Vec<_>>();
        permutation(&arm(), &arm(), 0).expect("units").p < 0.05
    });
    within("permutation, 500 runs", found, 0.01, 0.075);
}

/// Two equal arms, 2,000 units at 5 %, z test at the end.
#[test]
#[ignore = "slow"]
fn fixed_test() {
    within("fixed", rate(RUNS, |stream| rejects(&proportions(stream, 2_000, 0.05))), 0.039, 0.062);
}

/// Click-through rate with heavy users: impressions log-normal, each user an own rate. The delta method at the user keeps the rate; a binomial
/// test over impressions does not.
#[test]
#[ignore = "slow"]
fn ratio_metric_with_heavy_users() {
    let arm = |stream: &mut Stream| {
        let rows = (0..300).map(|_| {
            let impressions = (stream.normal() + 1.5).exp().ceil();
            let share = (0.05 * (0.7 * stream.normal()).exp()).min(1.0);
            [successes(stream, impressions as usize, share), impressions]
        });
        Moments::of_rows(2, rows.collect::<Vec<_>>()).expect("finite")
    };
    let mut naive = 0;
    let delta = rate(RUNS, |stream| {
        let (c, t) = (arm(stream), arm(stream));
        let pooled = |m: &Moments| Sample::proportion(m.n() * m.mean(0), m.n() * m.mean(1)).expect("valid");
        naive += usize::from(rejects(&difference(&pooled(&c), &pooled(&t)).expect("finite").normal()));
        rejects(
            &difference(&Sample::ratio(&c, 0, 1).expect("shown"), &Sample::ratio(&t, 0, 1).expect("shown"))
                .expect("finite"),
        )
    });
    within("ratio, binomial over impressions", naive as f64 / RUNS as f64, 0.08, 1.0);
    within("ratio, delta", delta, 0.039, 0.062);
}

/// Covariate with correlation .7, 200 units an arm: the variance falls to 1 - .49 = .51.
#[test]
#[ignore = "slow"]
fn cuped() {
    let arm = |stream: &mut Stream| {
        let rows = (0..200).map(|_| {
            let x = stream.normal();
            [0.7 * x + 0.51_f64.sqrt() * stream.normal(), x]
        });
        Moments::of_rows(2, rows.collect::<Vec<_>>()).expect("finite")
    };
    let (model, mut ratio) = (Cuped::mean(2), 0.0);
    let found = rate(RUNS, |stream| {
        let (c, t) = (arm(stream), arm(stream));
        let theta = model.theta(&[&c, &t], Pooling::Total).expect("units");
        let all = c.merged(&t).expect("columns");
        let adjusted = difference(
            &model.adjust(&c, &all, &theta).expect("units"),
            &model.adjust(&t, &all, &theta).expect("units"),
        )
        .expect("finite");
        let plain = difference(&Sample::mean(&c, 0).expect("units"), &Sample::mean(&t, 0).expect("units"))
            .expect("finite");
        ratio += (adjusted.se / plain.se).powi(2) / RUNS as f64;
        rejects(&adjusted)
    });
    within("CUPED", found, 0.039, 0.062);
    within("CUPED, variance ratio", ratio, 0.5, 0.52);
}

/// 20 looks at equal arms, 250 units an arm and look at 5 %: naive z tests, the confidence sequence tuned for 5,000 units, alpha spending.
#[test]
#[ignore = "slow"]
fn twenty_looks() {
    let information: Vec<f64> = (1..=20).map(|look| f64::from(look) / 20.0).collect();
    let spent = |spending: Spending| bounds(&spending, &information, 0.05, 2.0).expect("valid").z;
    let (obrien, pocock) = (spent(Spending::ObrienFleming), spent(Spending::Pocock));
    let sequence = ConfidenceSequence::new(0.05, 5_000.0, Alternative::TwoSided).expect("valid");
    let mut counts = [0_usize; 4];
    for run in 0..RUNS {
        let mut stream = Stream::new(SEED + run as u64);
        let (mut c, mut t, mut n, mut crossed) = (0.0, 0.0, 0.0, [false; 4]);
        for look in 0..20 {
            (c, t, n) =
                (c + successes(&mut stream, 250, 0.05), t + successes(&mut stream, 250, 0.05), n + 250.0);
            let effect = difference(
                &Sample::proportion(c, n).expect("valid"),
                &Sample::proportion(t, n).expect("valid"),
            )
            .expect("finite");
            let z = effect.statistic().unwrap_or(0.0).abs();
            crossed[0] |= z > 1.959_964;
            crossed[1] |= sequence.p(&effect, 2.0 * n).is_ok_and(|p| p < 0.05);
            crossed[2] |= z > obrien[look];
            crossed[3] |= z > pocock[look];
        }
        counts.iter_mut().zip(crossed).for_each(|(count, crossed)| *count += usize::from(crossed));
    }
    let share = counts.map(|count| count as f64 / RUNS as f64);
    within("20 looks, naive", share[0], 0.2, 0.3);
    within("20 looks, confidence sequence", share[1], 0.0, 0.05);
    within("20 looks, O'Brien-Fleming", share[2], 0.039, 0.062);
    within("20 looks, Pocock", share[3], 0.039, 0.062);
}

/// Ten advertisers, two of them treated, log-normal spend: z and t tests reject equal arms too often, the permutation test does not.
#[test]
#[ignore = "slow"]
fn ten_advertisers() {
    let (mut z, mut t_test) = (0, 0);
    let found = rate(RUNS, |stream| {
        let mut arm = |n: usize| (0..n).map(|_| (0.5 * stream.normal()).exp()).collect::<Vec<f64>>();
        let (c, t) = (arm(8), arm(2));
        let sample = |arm: &[f64]| Sample::mean(&Moments::of_values(arm).expect("finite"), 0).expect("units");
        let effect = difference(&sample(&c), &sample(&t)).expect("finite");
        z += usize::from(rejects(&effect.normal()));
        t_test += usize::from(rejects(&effect));
        permutation(&c, &t, 0).expect("units").p < 0.05
    });
    within("10 advertisers, z", z as f64 / RUNS as f64, 0.12, 0.2);
    within("10 advertisers, t", t_test as f64 / RUNS as f64, 0.07, 0.13);
    within("10 advertisers, permutation", found, 0.039, 0.062);
}

/// Sample ratio looked at daily for 28 days, 1,000 units a day: the chi-square alarm at .001 and the sequential test at .01.
#[test]
#[ignore = "slow"]
fn sample_ratio_looked_at_daily() {
    let mut sequential = 0;
    let found = rate(RUNS, |stream| {
        let mut test = SequentialSrm::new(&[0.5, 0.5], 10_000.0).expect("valid");
        let (mut users, mut alarm, mut p) = ([0.0, 0.0], false, 1.0);
        for _ in 0..28 {
            let control = successes(stream, 1_000, 0.5);
            users = [users[0] + control, users[1] + 1_000.0 - control];
            alarm |= sample_ratio(&users, &[0.5, 0.5]).expect("valid").alarm;
            p = test.add(&[control, 1_000.0 - control]).expect("valid").1;
        }
        sequential += usize::from(p < 0.01);
        alarm
    });
    within("sample ratio, chi-square daily", found, 0.0, 0.01);
    within("sample ratio, sequential", sequential as f64 / RUNS as f64, 0.0, 0.01);
}

/// Lift 20 % at about 10 conversions an arm of 1,000 units: Fieller covers, the delta interval does not.
#[test]
#[ignore = "slow"]
fn coverage_of_relative_intervals() {
    for (n, low, delta_high) in [(1_000, 0.94, 0.93), (10_000, 0.94, 0.96)] {
        let (mut delta, mut runs) = (0_usize, 0_usize);
        let covered = rate(RUNS, |stream| {
            let (c, t) = (successes(stream, n, 0.01), successes(stream, n, 0.012));
            if c == 0.0 || t == 0.0 {
                return true;
            }
            runs += 1;
            let sample = |x: f64| Sample::proportion(x, n as f64).expect("valid");
            let (c, t) = (sample(c), sample(t));
            let ci = relative_delta(&c, &t)
                .expect("a base")
                .normal()
                .interval(0.05, Alternative::TwoSided)
                .expect("valid");
            delta += usize::from(ci.contains(0.2));
            match fieller((c.value, c.se()), (t.value, t.se()), 0.05).expect("defined") {
                Fieller::Interval { ci } => ci.contains(0.2),
                Fieller::Outside { excluded } => !excluded.contains(0.2),
                Fieller::Everything => true,
            }
        });
        within(&format!("Fieller, {} conversions", n / 100), covered, low, 0.96);
        within(
            &format!("delta interval, {} conversions", n / 100),
            delta as f64 / runs as f64,
            0.88,
            delta_high,
        );
    }
}

/// Share of conversions by age of an exponential delay that is cut at 7 days.
fn cut_law(mean: f64) -> impl Fn(f64) -> f64 {
    move |age: f64| (-age.min(7.0) / mean).exp_m1() / (-7.0 / mean).exp_m1()
}

fn clicks(stream: &mut Stream, n: usize, rate: f64, mean: f64) -> Vec<Click> {
    let all = -(-7.0 / mean).exp_m1();
    let mut click = || {
        let age_days = 14.0 * stream.uniform();
        let delay = (stream.uniform() < rate).then(|| -mean * (-all * stream.uniform()).ln_1p());
        Click { age_days, delay_days: delay.filter(|&delay| delay <= age_days && delay < 7.0) }
    };
    (0..n).map(|_| click()).collect()
}

/// Equal 7-day rates of 4 %, delays of 4 and 2 days, 20,000 clicks an arm over 14 days, 1,000 runs.
#[test]
#[ignore = "slow"]
fn late_conversions() {
    let (runs, pooled) = (1_000, |age: f64| 0.5 * (cut_law(4.0)(age) + cut_law(2.0)(age)));
    let mut alarms = [0_usize; 3];
    let (mut squares, mut stream) = ([0.0_f64; 2], Stream::new(SEED));
    for _ in 0..runs {
        let (c, t) = (clicks(&mut stream, 20_000, 0.04, 4.0), clicks(&mut stream, 20_000, 0.04, 2.0));
        let (mc, mt) = (matured(&c, 7.0).expect("old clicks").0, matured(&t, 7.0).expect("old clicks").0);
        let old = difference(&mc, &mt).expect("finite").normal();
        let hazards = contrast(
            &kaplan_meier(&c, 7.0).expect("old clicks"),
            &kaplan_meier(&t, 7.0).expect("old clicks"),
        );
        let one_law = contrast(
            &weighted(&c, 7.0, pooled).expect("clicks").0,
            &weighted(&t, 7.0, pooled).expect("clicks").0,
        );
        for (alarm, effect) in alarms.iter_mut().zip([&old, &hazards, &one_law]) {
            *alarm += usize::from(rejects(effect));
        }
        squares[0] += old.value.powi(2);
        squares[1] += hazards.value.powi(2);
    }
    let share = alarms.map(|count| count as f64 / f64::from(runs));
    within("late conversions, one delay law for both arms", share[2], 0.15, 1.0);
    within("late conversions, matured", share[0], 0.03, 0.075);
    within("late conversions, hazards of the own arm", share[1], 0.03, 0.075);
    println!("standard deviations: {:.5}, {:.5}", (squares[0] / 1e3).sqrt(), (squares[1] / 1e3).sqrt());
    within(
        "late conversions, standard deviation of hazards over matured",
        (squares[1] / squares[0]).sqrt(),
        0.5,
        0.8,
    );
}

/// 8 % of 5,000 units an arm are triggered, the metric is noisy for all: the diluted effect has at most .4 of the standard error, its interval
/// covers, and the complement is silent. A counterfactual that is logged in treatment only is caught by the sample ratio.
#[test]
#[ignore = "slow"]
fn trigger() {
    let arm = |stream: &mut Stream, lift: f64| {
        let mut parts = [Moments::new(1), Moments::new(1)];
        for _ in 0..5_000 {
            let hit = stream.uniform() < 0.08;
            let value = 1.0 + if hit { lift } else { 0.0 } + stream.normal();
            parts[usize::from(!hit)].push(&[value]).expect("finite");
        }
        let [triggered, rest] = parts;
        Arm { triggered, rest }
    };
    let (mut silent, mut ratio, mut caught, runs) = (0, 0.0, 0, 1_000);
    let covered = rate(runs, |stream| {
        let (c, t) = (arm(stream, 0.0), arm(stream, 0.2));
        let result = analyze(&c, &t, [0.5, 0.5]).expect("units");
        silent += usize::from(!rejects(&result.complement));
        ratio += result.diluted.se / result.all.se / runs as f64;
        let mut rest = c.rest.clone();
        rest.merge(&c.triggered).expect("columns");
        let nothing = Moments::of_values(&[1.0, 2.0]).expect("finite");
        caught += usize::from(
            analyze(&Arm { triggered: nothing, rest }, &t, [0.5, 0.5]).expect("units").srm_triggered.alarm,
        );
        result.diluted.interval(0.05, Alternative::TwoSided).expect("valid").contains(0.016)
    });
    within("trigger, coverage of the diluted effect", covered, 0.925, 0.975);
    within("trigger, silent complement", silent as f64 / runs as f64, 0.925, 0.975);
    within("trigger, standard error over that of all units", ratio, 0.2, 0.4);
    within("trigger, wrong counterfactual caught", caught as f64 / runs as f64, 0.95, 1.0);
}
