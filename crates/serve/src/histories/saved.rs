//! A shard of histories as bytes, and back: of users of the run's data set only those with events since, so that a snapshot is small.
//!
//! ```text
//! (origin u8 · user bytes u32 · user · time of the newest i64 · event bytes u32 · events) for each user, little-endian
//! ```

use super::{Histories, Origin, Past, SHARDS};
use std::sync::PoisonError;

impl Histories {
    /// The shard of a user: the same in every process, since a snapshot holds each shard as of a moment of its own.
    pub(crate) fn shard_of(user: &str) -> usize {
        // FNV-1a. Whoever makes many users of one shard slows its lock down, and nothing else.
        let hash = user.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ((hash >> 32) ^ hash) as usize % SHARDS
    }

    /// What a shard has beyond the run's data set.
    pub(crate) fn save(&self, shard: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for (user, past) in self.shards[shard].read().unwrap_or_else(PoisonError::into_inner).iter() {
            if past.origin != Origin::Run {
                out.push(past.origin as u8);
                put(&mut out, user.as_bytes());
                out.extend_from_slice(&past.newest.to_le_bytes());
                put(&mut out, &past.bytes);
            }
        }
        out
    }

    /// Takes in what [`Histories::save`] gave, on top of the run's data set. `None` for other bytes.
    pub(crate) fn restore(&self, shard: usize, mut saved: &[u8]) -> Option<()> {
        let mut users = self.shards[shard].write().unwrap_or_else(PoisonError::into_inner);
        while let Some((&origin, rest)) = saved.split_first() {
            saved = rest;
            let origin = [Origin::Changed, Origin::Later].into_iter().find(|one| *one as u8 == origin)?;
            let user =
                std::str::from_utf8(take(&mut saved)?).ok().filter(|user| Self::shard_of(user) == shard)?;
            let (newest, rest) = saved.split_first_chunk()?;
            saved = rest;
            let past =
                Past { newest: i64::from_le_bytes(*newest), bytes: take(&mut saved)?.to_vec(), origin };
            match users.get_mut(user) {
                // Forgotten, then seen again: a replay of the log gives back what the data set has of the user, too.
                Some(of_run) if origin == Origin::Later => {
                    past.events().for_each(|event| of_run.insert(event));
                    of_run.origin = Origin::Changed;
                }
                _ => _ = users.insert(user.into(), past),
            }
        }
        Some(())
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::Event;
    use semrank_core::{ActionId, Event as Done, ItemId};

    fn event(time: i64) -> Event {
        let dwell_ms = if time % 2 == 0 { 700 } else { -1 };
        Event { done: Done { item: ItemId(1), action: ActionId(2), time }, dwell_ms }
    }

    fn base() -> Histories {
        let out = Histories::default();
        out.set("of the run", [event(1), event(5)]);
        out.set("forgotten", [event(2)]);
        out
    }

    #[test]
    fn what_differs_from_the_run_is_saved_and_no_more() {
        let live = base();
        assert!((0..SHARDS).all(|shard| live.save(shard).is_empty()));
        for (user, time) in [("of the run", 3), ("new", 7), ("new", 6)] {
            live.push(user, event(time));
        }
        live.forget("forgotten");
        live.push("forgotten", event(9));
        let again = base();
        for shard in 0..SHARDS {
            again.restore(shard, &live.save(shard)).unwrap();
        }
        for user in ["of the run", "new"] {
            assert_eq!(again.of(user), live.of(user));
        }
        assert_eq!(again.of("forgotten").unwrap(), [event(2), event(9)], "as a replay has it");
    }

    #[test]
    fn other_bytes_are_refused() {
        let live = Histories::default();
        live.push("u", event(1));
        let shard = Histories::shard_of("u");
        let saved = live.save(shard);
        assert_eq!(Histories::default().restore((shard + 1) % SHARDS, &saved), None, "of another shard");
        for cut in 1..saved.len() {
            assert_eq!(Histories::default().restore(shard, &saved[..cut]), None, "{cut} bytes");
        }
        assert_eq!(Histories::default().restore(shard, &[0]), None);
    }
}
