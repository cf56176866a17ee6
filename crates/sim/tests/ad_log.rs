//! Promises of an ad market's log: parents, budgets, births, order, bytes, faults.

use semrank_data::Dataset;
use semrank_sim::{AdAction, AdEvent, AdMarket, AdMarketConfig, Error};
use std::collections::{HashMap, HashSet};
use std::fs;

const DAY_MS: i64 = 86_400_000;

fn market() -> AdMarket {
    AdMarket::new(AdMarketConfig::sized(60_000)).expect("the settings are possible")
}

#[test]
fn a_click_follows_its_impression_and_a_conversion_its_click() {
    let market = market();
    let by_number: HashMap<u64, &AdEvent> =
        market.events().iter().map(|event| (event.event, event)).collect();
    assert_eq!(by_number.len(), market.events().len(), "event numbers are unique");
    let mut clicks = 0;
    for event in market.events() {
        let parent = event.parent.map(|parent| by_number[&parent]);
        match event.action {
            AdAction::Impression | AdAction::View => assert!(parent.is_none(), "{event:?}"),
            AdAction::Click => assert_eq!(parent.unwrap().action, AdAction::Impression),
            AdAction::Conversion => assert_eq!(parent.unwrap().action, AdAction::Click),
        }
        if let Some(parent) = parent {
            assert_eq!((event.user, event.item), (parent.user, parent.item));
            assert!(event.time_ms > parent.time_ms, "{event:?} before {parent:?}");
            clicks += usize::from(event.action == AdAction::Click);
        }
        assert!(event.received_ms > event.time_ms);
        let is_ad = (event.item as usize) < market.ads().len();
        assert_eq!(is_ad, event.action != AdAction::View);
    }
    let truth = market
        .impressions()
        .iter()
        .filter(|shown| shown.click_ms.is_some_and(|ms| ms < market.config().end_ms()));
    assert_eq!(clicks, truth.count());
}

#[test]
fn the_log_is_in_order_of_time_and_the_truth_in_order_of_the_log() {
    let market = market();
    assert!(market.events().is_sorted_by_key(|event| event.time_ms));
    let end = market.config().end_ms();
    assert!(market.events().iter().all(|event| (market.config().start_ms..end).contains(&event.time_ms)));
    let logged = market.events().iter().filter(|event| event.action == AdAction::Impression);
    assert!(logged.map(|event| event.event).eq(market.impressions().iter().map(|shown| shown.event)));
}

#[test]
fn nothing_is_shown_before_its_birth_and_new_ads_keep_coming() {
    let market = market();
    let mut first = HashMap::new();
    for event in market.events() {
        let item = event.item as usize;
        let birth = match market.ads().get(item) {
            Some(ad) => ad.active_from_ms,
            None => market.posts()[item - market.ads().len()].active_from_ms,
        };
        assert!(event.time_ms >= birth, "{event:?}");
        first.entry(item).or_insert((event.time_ms - market.config().start_ms) / DAY_MS);
    }
    let new = |days: std::ops::Range<i64>| first.values().filter(|day| days.contains(day)).count();
    assert!(new(20..28) > 20 && new(28..36) > 20, "{} and {} new items", new(20..28), new(28..36));
}

#[test]
fn no_budget_is_overspent_and_some_are_spent() {
    let market = market();
    let mut spent: HashMap<(u32, i64), i64> = HashMap::new();
    for shown in market.impressions().iter().filter(|shown| shown.click_ms.is_some()) {
        let day = (shown.time_ms - market.config().start_ms) / DAY_MS;
        *spent.entry((shown.item, day)).or_default() += market.ads()[shown.item as usize].bid_cents;
    }
    let ad = |item: u32| &market.ads()[item as usize];
    assert!(spent.iter().all(|((item, _), cents)| *cents <= ad(*item).budget_cents));
    let full =
        spent.iter().filter(|((item, _), cents)| *cents + ad(*item).bid_cents > ad(*item).budget_cents);
    assert!(full.count() > 10, "budgets do not bind");
    // A spent ad is not shown again on that day: its last click is after its impressions.
    let mut left: HashMap<(u32, i64), i64> = HashMap::new();
    for shown in market.impressions() {
        let day = (shown.time_ms - market.config().start_ms) / DAY_MS;
        let left = left.entry((shown.item, day)).or_insert(ad(shown.item).budget_cents);
        assert!(*left >= ad(shown.item).bid_cents, "{shown:?} is shown without budget");
        *left -= if shown.click_ms.is_some() { ad(shown.item).bid_cents } else { 0 };
    }
}

#[test]
fn slots_of_a_request_are_filled_in_order_with_different_ads() {
    let market = market();
    let mut requests: HashMap<u64, Vec<&AdEvent>> = HashMap::new();
    for event in market.events().iter().filter(|event| event.action == AdAction::Impression) {
        let propensity = event.propensity.unwrap();
        assert!(propensity > 0.0 && propensity <= 1.0);
        requests.entry(event.request.unwrap()).or_default().push(event);
    }
    for shown in requests.values() {
        let slots: Vec<u8> = shown.iter().filter_map(|event| event.slot).collect();
        assert_eq!(slots, (1..=shown[0].surface.examined().len() as u8).collect::<Vec<_>>());
        assert_eq!(shown.iter().map(|event| event.item).collect::<HashSet<_>>().len(), shown.len());
        assert!(shown.iter().all(|event| event.time_ms == shown[0].time_ms && event.user == shown[0].user));
    }
}

#[test]
fn random_ads_are_shown_with_the_chance_of_a_uniform_draw() {
    let config =
        AdMarketConfig { policy: 0.0, budgets: false, late_share: 0.0, ..AdMarketConfig::sized(5_000) };
    let market = AdMarket::new(config).unwrap();
    for event in market.events().iter().filter(|event| event.action == AdAction::Impression) {
        let left = market.ads().len() as f64 - f64::from(event.slot.unwrap()) + 1.0;
        assert!((event.propensity.unwrap() * left - 1.0).abs() < 1e-9, "{event:?}");
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seed: u64| {
        let dir = folder.path().join(name);
        AdMarket::write(AdMarketConfig { seed, ..AdMarketConfig::sized(5_000) }, &dir, None).unwrap();
        ["dataset.toml", "items.parquet", "events.parquet", "truth.parquet"]
            .map(|file| fs::read(dir.join(file)).unwrap())
    };
    let (first, again, other) = (write("first", 3), write("again", 3), write("other", 4));
    assert!(first == again);
    assert!((0..4).all(|file| first[file] != other[file]));
}

#[test]
fn a_market_on_disk_is_the_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ads");
    let config = AdMarketConfig { duplicates: 0.02, disordered: 0.05, ..AdMarketConfig::sized(5_000) };
    let report = AdMarket::write(config.clone(), &dir, None).unwrap();
    let market = AdMarket::new(config).unwrap();
    assert_eq!(report.events as usize, market.events().len());
    let dataset = Dataset::open(&dir).unwrap();
    assert_eq!(dataset.catalog.len(), market.ads().len() + market.posts().len());
    assert_eq!(dataset.catalog.name(semrank_core::ItemId(7)), market.ads()[7].id);
    assert_eq!(dataset.meta.windows["conversion_days"].as_integer(), Some(7));
    let truth = semrank_data::columns::Table::open(&dir.join("truth.parquet")).unwrap();
    assert_eq!(truth.rows() as usize, market.impressions().len());
}

#[test]
fn a_folder_in_use_a_bad_setting_or_a_stop_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    assert!(AdMarket::write(AdMarketConfig::default(), folder.path(), None).is_err());
    assert!(
        AdMarket::write(AdMarketConfig { days: 0, ..AdMarketConfig::default() }, folder.path(), None)
            .is_err()
    );
    let stopped = AdMarket::write(AdMarketConfig::default(), &folder.path().join("ads"), Some(|| true));
    assert!(matches!(stopped, Err(Error::Data(semrank_data::Error::Stopped))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn dirt_comes_at_its_rates_and_leaves_the_truth_alone() {
    let dirt =
        AdMarketConfig { duplicates: 0.1, disordered: 0.2, skewed: 0.3, ..AdMarketConfig::sized(60_000) };
    let (clean, dirty) = (market(), AdMarket::new(dirt).unwrap());
    assert!(clean.impressions() == dirty.impressions());
    let true_times: HashMap<u64, &AdEvent> =
        clean.events().iter().map(|event| (event.event, event)).collect();
    let n = clean.events().len() as f64;
    let (mut seen, mut wrong, mut ahead) = (HashSet::new(), HashSet::new(), i64::MIN);
    let mut behind = 0;
    for event in dirty.events() {
        let original = true_times[&event.event];
        seen.insert(event.event);
        if event.time_ms != original.time_ms {
            wrong.insert(event.user);
        }
        behind += usize::from(original.time_ms < ahead);
        ahead = ahead.max(original.time_ms);
    }
    let copies = (dirty.events().len() - seen.len()) as f64 / n;
    let skewed = wrong.len() as f64 / clean.config().users as f64;
    assert!((copies - 0.1).abs() < 0.01, "{copies} copies");
    assert!((behind as f64 / n - 0.28).abs() < 0.03, "{behind} of {n} rows out of order");
    assert!((skewed - 0.3).abs() < 0.12, "{skewed} of the clocks");
    // What would arrive after the end is lost.
    assert!(seen.len() as f64 > 0.998 * n, "{} of {n} rows", seen.len());
}
