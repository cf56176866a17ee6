//! Histories and names as parts of a snapshot.

use super::Memory;
use crate::histories::{Histories, SHARDS};
use crate::snapshot::{Derived, Start};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A shard of the histories.
struct Shard(Arc<Memory>, usize);

/// Names of items and actions that the run does not have, in the order of their numbers, and the newest time. They are copied after the
/// histories, so they have every name that a history has; a replay of what came between finds its names there, with the same numbers.
struct Names(Arc<Memory>);

#[derive(Serialize, Deserialize)]
struct SavedNames {
    newest: i64,
    items: Vec<String>,
    actions: Vec<String>,
}

fn name_of(shard: usize) -> String {
    format!("histories {shard}")
}

impl Memory {
    /// What a snapshot has of it.
    pub(crate) fn parts(self: &Arc<Self>) -> Vec<Arc<dyn Derived>> {
        let shards = (0..SHARDS).map(|shard| Arc::new(Shard(self.clone(), shard)) as Arc<dyn Derived>);
        shards.chain([Arc::new(Names(self.clone())) as Arc<dyn Derived>]).collect()
    }

    /// Whether the history of a user lacks a record, where a replay starts.
    pub(crate) fn lacks(start: &Start) -> impl Fn(&str, u64) -> bool + use<> {
        let as_of: Vec<u64> = (0..SHARDS).map(|shard| start.as_of(&name_of(shard))).collect();
        move |user, record| record >= as_of[Histories::shard_of(user)]
    }
}

impl Derived for Shard {
    fn name(&self) -> String {
        name_of(self.1)
    }

    fn save(&self) -> Vec<u8> {
        self.0.histories.save(self.1)
    }

    fn restore(&self, saved: &[u8]) -> Option<()> {
        self.0.histories.restore(self.1, saved)
    }
}

impl Derived for Names {
    fn name(&self) -> String {
        "names".into()
    }

    fn save(&self) -> Vec<u8> {
        let mut saved =
            SavedNames { newest: self.0.newest.load(Ordering::Relaxed), items: vec![], actions: vec![] };
        for (names, first, out) in [
            (&self.0.items, self.0.catalogue as usize, &mut saved.items),
            (&self.0.actions, usize::from(self.0.known_actions), &mut saved.actions),
        ] {
            let names = names.read().unwrap_or_else(PoisonError::into_inner);
            out.extend(names.names().skip(first).map(str::to_owned));
        }
        // Texts and a number are always JSON.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    fn restore(&self, saved: &[u8]) -> Option<()> {
        let saved: SavedNames = serde_json::from_slice(saved).ok()?;
        self.0.newest.fetch_max(saved.newest, Ordering::Relaxed);
        for (names, first, saved) in [
            (&self.0.items, self.0.catalogue as usize, &saved.items),
            (&self.0.actions, usize::from(self.0.known_actions), &saved.actions),
        ] {
            let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
            let mut rows = first..;
            if !saved.iter().all(|name| rows.next() == Some(names.insert(name) as usize)) {
                return None;
            }
        }
        Some(())
    }
}
