//! Promises of every durable log, whatever keeps it: one suite, asked of a folder, and of Redis and NATS where their servers are.
//!
//! A server is looked for on the path, or where SEMRANK_REDIS_SERVER and SEMRANK_NATS_SERVER say; it gets a folder and a port of its own:
//! `cargo test --release -p semrank-store --features redis,nats --test log`
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(any(feature = "nats", feature = "redis"))]
mod faults;
mod killed;
mod place;
mod promises;

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;

use place::Place;

/// The promises that a folder keeps as well.
macro_rules! promises {
    ($name:ident, $place:expr) => {
        mod $name {
            use super::{Place, killed, promises};

            #[test]
            fn records_read_back() {
                $place.into_iter().for_each(|place: Place| promises::records_read_back(&place));
            }

            #[test]
            fn batches_of_any_size_read_back() {
                $place.into_iter().for_each(|place: Place| promises::batches_of_any_size_read_back(&place));
            }

            #[test]
            fn there_is_one_writer() {
                $place.into_iter().for_each(|place: Place| promises::there_is_one_writer(&place));
            }

            #[test]
            fn what_was_removed_is_gone() {
                $place.into_iter().for_each(|place: Place| promises::what_was_removed_is_gone(&place));
            }

            #[test]
            fn threads_commit_together() {
                $place.into_iter().for_each(|place: Place| promises::threads_commit_together(&place));
            }

            #[test]
            fn a_killed_writer_keeps_what_it_confirmed() {
                $place.into_iter().for_each(|place: Place| {
                    killed::a_killed_writer_keeps_what_it_confirmed(&place, stringify!($name))
                });
            }
        }
    };
}

/// The promises of a log on a server.
#[cfg(any(feature = "nats", feature = "redis"))]
macro_rules! of_servers {
    ($name:ident, $place:expr) => {
        mod $name {
            use super::{Place, faults};

            #[test]
            fn a_killed_server_keeps_what_it_confirmed() {
                $place.into_iter().for_each(|mut place: Place| faults::a_killed_server(&mut place));
            }

            #[test]
            fn a_slow_server_is_waited_for_until_a_deadline() {
                $place.into_iter().for_each(|place: Place| faults::a_slow_server(&place));
            }

            #[test]
            fn a_server_that_is_not_there_is_an_error() {
                $place.into_iter().for_each(|mut place: Place| faults::no_server(&mut place));
            }

            #[test]
            fn readers_read_beside_the_writer() {
                $place.into_iter().for_each(|place: Place| faults::readers(&place));
            }

            #[test]
            fn a_server_that_lost_its_files_is_an_error() {
                $place.into_iter().for_each(|mut place: Place| faults::lost_files(&mut place));
            }
        }
    };
}

promises!(folder, Some(Place::folder()));
#[cfg(feature = "redis")]
promises!(on_redis, Place::redis());
#[cfg(feature = "redis")]
of_servers!(redis_faults, Place::redis());
#[cfg(feature = "nats")]
promises!(on_nats, Place::nats());
#[cfg(feature = "nats")]
of_servers!(nats_faults, Place::nats());
