//! Promises of an ad market's truth: clicks, conversions and delays happen as often as it says, and needs appear in
//! organic views before they raise the probability of a click.

use semrank_sim::{AdAction, AdMarket, AdMarketConfig, DelayFamily, Impression};
use std::collections::HashMap;
use std::sync::LazyLock;

static MARKET: LazyLock<AdMarket> =
    LazyLock::new(|| AdMarket::new(AdMarketConfig::sized(300_000)).expect("the settings are possible"));

const DAY_MS: i64 = 86_400_000;

/// Rows by chance in ten groups of one size: in each the outcomes agree with the chances within 4.5 standard
/// deviations, and the squares of all ten are no larger than chi square allows (10 degrees, p = 1e-5: 42.6).
fn assert_agrees(name: &str, mut rows: Vec<(f64, bool)>) {
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut chi = 0.0;
    for group in rows.chunks(rows.len().div_ceil(10)) {
        let expected: f64 = group.iter().map(|row| row.0).sum();
        let variance: f64 = group.iter().map(|row| row.0 * (1.0 - row.0)).sum();
        let seen = group.iter().filter(|row| row.1).count() as f64;
        let z = (seen - expected) / variance.sqrt();
        assert!(z.abs() < 4.5, "{name}: {seen} of {} where {expected:.1} are expected", group.len());
        chi += z * z;
    }
    assert!(chi < 42.6, "{name}: chi square {chi} over ten groups");
}

fn clicked() -> impl Iterator<Item = &'static Impression> {
    MARKET.impressions().iter().filter(|shown| shown.click_ms.is_some())
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

#[test]
fn clicks_and_conversions_happen_as_often_as_the_truth_says() {
    let shown = MARKET.impressions().iter();
    assert_agrees("clicks", shown.map(|shown| (shown.p_click, shown.click_ms.is_some())).collect());
    let rows = clicked().map(|shown| (shown.p_conversion, shown.conversion_ms.is_some())).collect();
    assert_agrees("conversions", rows);
}

#[test]
fn sizes_and_rates_are_as_configured() {
    let (config, shown) = (MARKET.config(), MARKET.impressions().len() as f64);
    assert!((shown / config.impressions as f64 - 1.0).abs() < 0.05, "{shown} impressions");
    let views = MARKET.events().iter().filter(|event| event.action == AdAction::View).count() as f64;
    assert!((views / (views + shown) - config.organic_share).abs() < 0.02, "{views} views");
    let clicks = clicked().count() as f64;
    assert!((clicks / shown / config.click_rate - 1.0).abs() < 0.15, "{clicks} clicks");
    let conversions = clicked().filter(|shown| shown.conversion_ms.is_some()).count() as f64;
    assert!((conversions / clicks / config.conversion_rate - 1.0).abs() < 0.2, "{conversions} conversions");
}

#[test]
fn later_slots_are_clicked_less_by_their_examination() {
    let slots: HashMap<u64, (usize, &[f64])> = MARKET
        .events()
        .iter()
        .filter_map(|event| Some((event.event, (usize::from(event.slot?) - 1, event.surface.examined()))))
        .collect();
    // Those of the last seconds may not have been logged.
    for shown in MARKET.impressions().iter().filter(|shown| slots.contains_key(&shown.event)) {
        let (slot, examined) = slots[&shown.event];
        assert!((shown.p_click - examined[slot] * shown.p_click_slot1).abs() < 1e-12, "{shown:?}");
    }
}

#[test]
fn delays_have_the_medians_of_their_advertisers_and_reach_beyond_the_window() {
    for delays in [DelayFamily::LogNormal, DelayFamily::Mixture, DelayFamily::Weibull] {
        let many =
            AdMarketConfig { delays, click_rate: 0.2, conversion_rate: 0.5, ..AdMarketConfig::sized(50_000) };
        let market = AdMarket::new(many).unwrap();
        let law =
            |shown: &Impression| &market.advertisers()[market.ads()[shown.item as usize].advertiser].delay;
        let waits: Vec<(&Impression, i64)> = market
            .impressions()
            .iter()
            .filter_map(|shown| Some((shown, shown.conversion_ms? - shown.click_ms?)))
            .collect();
        // Whatever its advertiser, a conversion comes within its law's time t with chance cdf(t).
        for part in [0.1, 0.5, 1.0, 2.0, 5.0] {
            let rows = waits.iter().map(|(shown, wait)| {
                let at = part * shown.delay_median_ms;
                (law(shown).cdf(at), *wait as f64 <= at)
            });
            assert_agrees(&format!("{delays:?} within {part} medians"), rows.collect());
        }
        let mut days: Vec<f64> = waits.iter().map(|(_, wait)| *wait as f64 / DAY_MS as f64).collect();
        days.sort_by(f64::total_cmp);
        let (median, late) = (days[days.len() / 2], days.iter().filter(|&&day| day > 7.0).count());
        assert!((1.4..2.8).contains(&median), "{delays:?}: median {median} days");
        let late = late as f64 / days.len() as f64;
        assert!((0.02..0.35).contains(&late), "{delays:?}: {late} of them after the window");
    }
}

/// For every impression the dwell in ms of the user's organic views about the ad's need and about other needs, in
/// the days from `from` to `to` before it.
fn organic_dwell(from: i64, to: i64) -> Vec<(i64, i64)> {
    let mut views: HashMap<u32, Vec<(i64, usize, i64)>> = HashMap::new();
    for view in MARKET.events().iter().filter(|event| event.action == AdAction::View) {
        let row = (view.time_ms, MARKET.theme(view.item).need, view.dwell_ms.expect("a view has a dwell"));
        views.entry(view.user).or_default().push(row);
    }
    let dwell = |shown: &Impression| {
        let own = views.get(&shown.user).map_or(&[][..], |views| views);
        let first = own.partition_point(|view| view.0 < shown.time_ms - to * DAY_MS);
        let last = own.partition_point(|view| view.0 < shown.time_ms - from * DAY_MS);
        let need = MARKET.theme(shown.item).need;
        own[first..last].iter().fold((0, 0), |(same, other), view| {
            if view.1 == need { (same + view.2, other) } else { (same, other + view.2) }
        })
    };
    MARKET.impressions().iter().map(dwell).collect()
}

#[test]
fn fresh_long_organic_views_announce_clicks_and_old_or_short_ones_do_not() {
    let (fresh, old) = (organic_dwell(0, 2), organic_dwell(10, 12));
    let click = |wanted: &dyn Fn(usize) -> bool| {
        let rows = MARKET.impressions().iter().enumerate();
        mean(rows.filter(|(row, _)| wanted(*row)).map(|(_, shown)| shown.p_click_slot1))
    };
    let none = click(&|row| fresh[row].0 == 0 && fresh[row].1 > 0);
    let long = click(&|row| fresh[row].0 >= 20_000);
    let short = click(&|row| (1..6_000).contains(&fresh[row].0));
    let past = click(&|row| old[row].0 >= 20_000 && fresh[row].0 == 0);
    println!("p_click: no view {none:.4}, short {short:.4}, long {long:.4}, long ten days ago {past:.4}");
    assert!(long > 2.5 * none, "long views {long}, none {none}");
    assert!(long > 1.6 * short, "long views {long}, short {short}");
    assert!(long > 1.6 * past, "fresh views {long}, old {past}");
}

#[test]
fn texts_say_more_about_conversions_than_about_clicks() {
    // Spread of the mean log-odds between the 12 pairs of price class and rating, which only texts tell.
    let spread = |chance: fn(&Impression) -> f64| {
        let mut groups: HashMap<(i8, u8), (f64, f64)> = HashMap::new();
        for shown in MARKET.impressions() {
            let (ad, p) = (&MARKET.ads()[shown.item as usize], chance(shown));
            let group = groups.entry((ad.price, ad.quality)).or_default();
            *group = (group.0 + (p / (1.0 - p)).ln(), group.1 + 1.0);
        }
        let means = groups.values().map(|(sum, n)| sum / n);
        let centre = mean(means.clone());
        mean(means.map(|mean| (mean - centre).powi(2))).sqrt()
    };
    let (click, conversion) = (spread(|shown| shown.p_click_slot1), spread(|shown| shown.p_conversion));
    assert!(conversion > 2.0 * click, "log-odds: clicks {click}, conversions {conversion}");
}
