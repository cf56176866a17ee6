//! Values of policies from explored lists, in a world whose true values can be enumerated.

use semrank_experiment::explore::Exploration;
use semrank_experiment::policy_value::{LoggedList, PolicyValue, Target, Value, policy_value};
use semrank_experiment::random::Stream;

const POLICY: Exploration = Exploration { share: 0.5, slots: 2, pool: 4, temperature: 1.0, seed: 3 };
const SCORES: [f64; 4] = [1.2, 0.9, 0.3, 0.0];
/// Clicks of an item in the first slot, by place in the pool: the log's order is not the best one.
const CLICKS: [f64; 4] = [0.1, 0.3, 0.25, 0.05];
/// Clicks of the second slot are so many times as likely where this item stands above.
const BELOW: [f64; 4] = [0.9, 0.4, 0.6, 1.0];

fn expected([first, second]: [usize; 2]) -> f64 {
    CLICKS[first] + CLICKS[second] * BELOW[first]
}

/// True value of a softmax of some scores, by enumeration; of the best first where it is very cold.
fn truth(scores: &[f64; 4], temperature: f64) -> f64 {
    let policy = Exploration { share: 1.0, temperature, ..POLICY };
    let mut best_first: Vec<usize> = (0..4).collect();
    best_first.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let sorted: Vec<f64> = best_first.iter().map(|&at| scores[at]).collect();
    let mut sum = 0.0;
    for (a, b) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).filter(|(a, b)| a != b) {
        let p: f64 = policy.probabilities(&sorted, &[a, b]).iter().map(|slot| slot.drawn).product();
        sum += p * expected([best_first[a], best_first[b]]);
    }
    sum
}

fn world(count: usize, only_drawn: bool, seed: u64) -> Vec<LoggedList> {
    let mut clicks = Stream::new(seed);
    let lists = (0..count).filter_map(|request| {
        let draw = POLICY.draw(&format!("{seed}-{request}"), &SCORES, 2);
        let [first, second] = [draw.order[0], draw.order[1]];
        let chances = [CLICKS[first], CLICKS[second] * BELOW[first]];
        let rewards = chances.map(|p| f64::from(u8::from(clicks.uniform() < p))).to_vec();
        let list = LoggedList { policy: POLICY, scores: SCORES.to_vec(), order: draw.order, rewards };
        (draw.is_drawn || !only_drawn).then_some(list)
    });
    lists.collect()
}

fn of(lists: &[LoggedList], target: Target, only_drawn: bool) -> PolicyValue {
    policy_value("p", lists, &vec![target; lists.len()], only_drawn).expect("enough lists")
}

fn near(what: &str, found: Option<Value>, truth: f64) {
    let found = found.expect("not refused");
    assert!((found.value - truth).abs() < 4.0 * found.se, "{what}: {found:?}, truth {truth}");
}

#[test]
fn estimates_are_near_the_truth() {
    for only_drawn in [false, true] {
        let lists = world(40_000, only_drawn, 8);
        let mean = lists.iter().flat_map(|list| &list.rewards).sum::<f64>() / lists.len() as f64;
        let logged = of(&lists, Target::Logged, only_drawn);
        let close = |value: Option<Value>| (value.expect("shown").value - mean).abs() < 1e-12;
        assert!(close(logged.list.ips) && close(logged.list.snips) && close(logged.stepwise), "{logged:?}");
        assert!((logged.list.effective - lists.len() as f64).abs() < 1e-6);
        let cold = 1e-4;
        // By the click probabilities, by the log's own order, and a softmax of other scores.
        let other = [0.0, 1.0, 0.7, -2.0];
        for (name, target, scores, temperature) in [
            ("best", Target::Best(CLICKS.to_vec()), CLICKS, cold),
            ("greedy", Target::Best(SCORES.to_vec()), SCORES, cold),
            ("softmax", Target::Softmax(other.to_vec(), 0.5), other, 0.5),
        ] {
            let (found, truth) = (of(&lists, target, only_drawn), truth(&scores, temperature));
            near(name, found.list.ips, truth);
            near(name, found.list.snips, truth);
            near(name, found.stepwise, truth);
            assert!((found.list.mean_weight - 1.0).abs() < 0.1, "{found:?}");
            let best = (0..4).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).expect("four items");
            if temperature == cold {
                near(name, found.first.ips, CLICKS[best]);
                near(name, found.first.doubly_robust, CLICKS[best]);
                let direct = found.first.direct.expect("shown").value;
                assert!((direct - CLICKS[best]).abs() < 0.03, "{name}: {direct}");
            }
            let se = |value: Option<Value>| value.expect("shown").se;
            assert!(se(found.first.doubly_robust) <= se(found.first.ips), "{name}");
            assert!(se(found.stepwise) <= 1.01 * se(found.list.ips), "{name}");
        }
    }
}

#[test]
fn intervals_have_the_truth_nineteen_times_in_twenty() {
    let (worlds, best) = (200, Target::Best(CLICKS.to_vec()));
    let (value, first) = (truth(&CLICKS, 1e-4), CLICKS[1]);
    let mut inside = [0; 4];
    for seed in 0..worlds {
        let found = of(&world(4_000, false, seed), best.clone(), false);
        let views = [found.list.ips, found.list.snips, found.stepwise, found.first.doubly_robust];
        for ((inside, view), truth) in inside.iter_mut().zip(views).zip([value, value, value, first]) {
            let [low, high] = view.expect("not refused").interval;
            *inside += usize::from(low <= truth && truth <= high);
        }
    }
    println!("of {worlds} intervals of ips, snips, stepwise and doubly robust have the truth: {inside:?}");
    // 95 % of 200 is 190, give or take 4.5 standard errors.
    assert!(inside.iter().all(|inside| (176..=200).contains(inside)), "{inside:?}");
}

#[test]
fn what_the_log_says_nothing_about_is_refused() {
    let lists = world(300, false, 8);
    let found = of(&lists, Target::Best(vec![0.0, 0.0, 0.0, 1.0]), false);
    assert!(found.list.ips.is_none() && found.stepwise.is_none(), "{found:?}");
    assert!(found.list.refused.expect("a reason").contains("effective sample size"));
    assert!(policy_value("p", &lists, &[Target::Logged], false).is_err());
    let broken = LoggedList { rewards: vec![1.0], ..lists[0].clone() };
    assert!(
        policy_value("p", &[broken, lists[1].clone()], &[Target::Logged, Target::Logged], false).is_err()
    );
}
