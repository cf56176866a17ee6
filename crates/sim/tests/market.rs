//! Promises of the market: what the settings say is what comes out, and the same settings give the same
//! market.

use semrank_core::Kind;
use semrank_sim::{Market, MarketConfig};
use std::collections::HashSet;

fn share(market: &Market, of: impl Fn(usize) -> bool) -> f64 {
    (0..market.items().len()).filter(|&item| of(item)).count() as f64 / market.items().len() as f64
}

/// FNV-1a over everything that a data set of this market holds.
fn hash(market: &Market) -> u64 {
    let items = market.items().iter().map(|item| {
        let texts = format!("{}|{}", item.title, item.description);
        format!("{}|{:?}|{:?}|{texts}|{}", item.id, item.kind, item.advertiser, item.active_from_ms)
    });
    let events = market.events().iter().map(|event| {
        let (user, item) = (&market.users()[event.user].id, &market.items()[event.item].id);
        format!("{user}|{item}|{}|{}|{}", event.action.name(), event.time_ms, event.dwell_ms)
    });
    items.chain(events).flat_map(String::into_bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Slope of the log of the sorted counts over the log of the rank, for the first `ranks`.
fn zipf_slope(mut counts: Vec<usize>, ranks: usize) -> f64 {
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let points: Vec<(f64, f64)> =
        (0..ranks).map(|r| (((r + 1) as f64).ln(), (counts[r].max(1) as f64).ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / ranks as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

#[test]
fn sizes_shares_and_popularity_are_as_configured() {
    let market = Market::new(MarketConfig::default()).unwrap();
    let items = market.items();
    assert_eq!((market.users().len(), items.len()), (2_000, 1_500));
    let events = market.events().len() as f64 / 2_000.0;
    assert!((events - 20.0).abs() < 1.5, "{events} events per user");
    let ads = share(&market, |item| items[item].kind == Kind::Ad);
    assert!((ads - 0.45).abs() < 0.03, "{ads} of the items are ads");
    assert!(items.iter().all(|item| item.advertiser.is_some() == (item.kind == Kind::Ad)));
    let start = market.config().start_ms;
    let late = share(&market, |item| items[item].active_from_ms > start);
    assert!((late - 0.2).abs() < 0.04, "{late} of the items are late");
    let mut counts = vec![0; items.len()];
    market.events().iter().for_each(|event| counts[event.item] += 1);
    // Part and taste come between an item's popularity and its events, and flatten the log's slope.
    let slope = zipf_slope(counts, 300);
    assert!((-0.8..-0.4).contains(&slope), "events fall with exponent {slope}");
    let weights = items.iter().map(|item| (1e6 * item.popularity) as usize).collect();
    assert!((zipf_slope(weights, 300) + 0.8).abs() < 1e-3, "weights fall with the exponent of the settings");
}

#[test]
fn time_runs_forward_and_no_item_is_seen_before_its_birth() {
    let market = Market::new(MarketConfig::default()).unwrap();
    let (start, days) = (market.config().start_ms, market.config().days);
    for user in 0..market.users().len() {
        let events = market.events_of(user);
        assert!(events.len() >= 5);
        assert!(events.windows(2).all(|pair| pair[0].time_ms < pair[1].time_ms), "user {user}");
        assert!(events[0].time_ms > start && events.iter().all(|event| event.dwell_ms >= 0));
    }
    for event in market.events() {
        assert!(event.time_ms >= market.items()[event.item].active_from_ms);
    }
    let after = start + ((days + 2.0) * 86_400_000.0) as i64;
    assert!(market.events().iter().all(|event| event.time_ms < after), "no visit outlasts the log by days");
    let hour = |event: &&semrank_sim::MarketEvent| event.time_ms / 3_600_000 % 24;
    let night = market.events().iter().filter(|event| (1..5).contains(&hour(event))).count();
    let evening = market.events().iter().filter(|event| (18..22).contains(&hour(event))).count();
    assert!(evening > 4 * night, "{evening} events in the evening, {night} at night");
}

#[test]
fn texts_differ_and_read_as_sentences() {
    let market = Market::new(MarketConfig { items: 4_000, ..MarketConfig::default() }).unwrap();
    let titles: HashSet<&str> = market.items().iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles.len(), market.items().len(), "every title is unique");
    let numbered = titles.iter().filter(|title| title.contains(", no. ")).count();
    assert!(numbered < 200, "{numbered} titles needed a number");
    for item in market.items() {
        assert!(item.title.starts_with(char::is_uppercase), "{}", item.title);
        assert!(item.description.starts_with(char::is_uppercase), "{}", item.description);
        assert!(item.description.ends_with('.'), "{}", item.description);
        let words = item.title.split(' ').count() + item.description.split(' ').count();
        assert!((8..60).contains(&words), "{} / {}", item.title, item.description);
        assert!(!item.title.contains("  ") && !item.description.contains("  "));
    }
}

#[test]
fn interests_drift_only_when_they_should() {
    let moved = |drift: f64| {
        let market = Market::new(MarketConfig { drift, users: 300, ..MarketConfig::default() }).unwrap();
        let distances = market.users().iter().map(|user| {
            let ends = (&user.sessions[0].interests, &user.sessions[user.sessions.len() - 1].interests);
            ends.0.iter().zip(ends.1).map(|(a, b)| (a - b).abs()).sum::<f64>()
        });
        distances.sum::<f64>() / 300.0
    };
    assert!(moved(0.0) < 1e-12);
    assert!(moved(0.35) > 0.1);
    assert!(moved(1.0) > moved(0.35));
}

#[test]
fn the_seed_decides_everything() {
    let small = |seed| Market::new(MarketConfig { seed, users: 200, ..MarketConfig::default() }).unwrap();
    assert_eq!(hash(&small(1)), hash(&small(1)));
    assert_ne!(hash(&small(1)), hash(&small(2)));
}

/// Logarithms and exponentials differ in their last bit between platforms, hence the condition.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_quickstart_market_never_changes_unnoticed() {
    let market = Market::new(MarketConfig::default()).unwrap();
    assert_eq!(format!("{:016x}", hash(&market)), "a51321d173ed80ea");
}

#[test]
fn odd_sizes_work() {
    for config in [
        MarketConfig { users: 1, items: 1, ..MarketConfig::default() },
        MarketConfig { users: 3, items: 7, topics: 1, ads_share: 1.0, ..MarketConfig::default() },
        MarketConfig { users: 3, items: 70, ads_share: 0.0, days: 1.0, zipf: 0.0, ..MarketConfig::default() },
    ] {
        let market = Market::new(config).unwrap();
        assert!(market.events().len() >= 5 * market.users().len());
        assert!((market.truth(0, 0).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    assert!(Market::new(MarketConfig { users: 0, ..MarketConfig::default() }).is_err());
}
