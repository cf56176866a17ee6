//! Promises of the written data set: it opens, holds the market row by row, and has the same bytes for the
//! same seed.

use semrank_core::{ItemId, UserId};
use semrank_data::Dataset;
use semrank_sim::{Market, MarketConfig};

#[test]
fn a_market_survives_the_way_to_disk_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let market = Market::new(MarketConfig { users: 80, items: 300, ..MarketConfig::default() }).unwrap();
    let reports = ["a", "b"].map(|name| market.write(&folder.path().join(name)).unwrap());
    assert_eq!(reports[0].hash, reports[1].hash, "the same market has the same bytes");
    assert_eq!((reports[0].users, reports[0].items), (80, 300));
    assert_eq!(reports[0].events as usize, market.events().len());
    assert_eq!(reports[0].rejected, 0);

    let dataset = Dataset::open(&folder.path().join("a")).unwrap();
    for (row, item) in market.items().iter().enumerate() {
        let id = ItemId(row as u32);
        assert_eq!(dataset.catalog.name(id), item.id);
        assert_eq!(dataset.catalog.texts_of(id).collect::<Vec<_>>(), [&item.title, &item.description]);
        assert_eq!(dataset.catalog.kinds[row], item.kind);
        assert_eq!(dataset.catalog.active_from[row], item.active_from_ms);
    }
    for (row, user) in market.users().iter().enumerate() {
        let stored = UserId(dataset.users.get(&user.id).unwrap());
        let history = dataset.events.of(stored);
        let items: Vec<usize> = market.events_of(row).iter().map(|event| event.item).collect();
        assert_eq!(history.items.iter().map(|item| item.index()).collect::<Vec<_>>(), items);
    }
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let market = Market::new(MarketConfig { users: 5, items: 60, ..MarketConfig::default() }).unwrap();
    assert!(market.write(folder.path()).is_err());
    assert!(folder.path().join("thesis.tex").exists());
}
