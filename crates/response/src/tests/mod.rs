//! The whole ranking model on a small market, which is made here.
//!
//! | file | tests |
//! |---|---|
//! | `network` | gradients, batches, threads |
//! | `losses` | gradients of what samples cost, and where they vanish |
//! | `samples` | which samples a row gives, and when |
//! | `online` | a server that receives requests and labels one by one reads what training read; saved states; unknown users and items |
//! | `points_in_time` | what is known when: counts, snapshots, test labels |
//! | `training` | what is learned, by epochs and in one pass; a training that stops and goes on; a saved model |

mod losses;
mod network;
mod online;
mod points_in_time;
mod samples;
mod training;

use super::*;
use semrank_core::{ActionId, Event, EventDetails, EventLogBuilder, ItemId, Kind, Rng, UserId};
use semrank_data::{DAY_MS, Dataset, Examples, Labels, Meta, Part};
use semrank_tower::{Delay, Stream, TrainSettings};
use std::sync::Arc;

const ITEMS: usize = 12;
const USERS: usize = 8;
const WIDTH: usize = 4;
const HOUR_MS: i64 = 3_600_000;

/// A small market: users with histories, and impressions with slots, surfaces, clicks and late conversions. A click is likelier
/// where item and user have the same parity.
struct World {
    dataset: Dataset,
    examples: Examples,
    items: Items,
}

impl World {
    fn new(rows: usize, seed: u64) -> World {
        let mut rng = Rng::new(seed, "world");
        let kind = |item| if item < 8 { Kind::Ad } else { Kind::Organic };
        let (catalog, users) = (testing::catalog((0..ITEMS).map(kind).collect()), testing::names("u", USERS));
        let mut log = EventLogBuilder::default();
        for user in 0..USERS as u32 - 1 {
            for at in 0..6 + i64::from(user) {
                let event = Event {
                    item: ItemId(rng.below(ITEMS) as u32),
                    action: ActionId(rng.below(2) as u8),
                    time: at * 5 * HOUR_MS,
                };
                let details =
                    EventDetails { dwell_ms: Some(rng.below(60_000) as i32), ..EventDetails::default() };
                log.push_with(UserId(user), event, details);
            }
        }
        let mut meta = Meta { name: "world".into(), ..Meta::default() };
        meta.windows.insert("click_minutes".into(), 30.into());
        meta.windows.insert("conversion_days".into(), 2.into());
        let dataset = Dataset {
            meta,
            users: users.clone(),
            actions: ["view", "click"].into_iter().collect(),
            catalog,
            events: log.finish(USERS - 1, true),
        };
        let mut examples = Examples {
            user_names: users,
            surface_names: ["feed", "search"].into_iter().collect(),
            ..Examples::default()
        };
        for row in 0..rows {
            let (user, item, slot) = (rng.below(USERS), rng.below(8), rng.below(3));
            let time = 20 * HOUR_MS + row as i64 * 6 * DAY_MS / rows as i64;
            let seen = match user == USERS - 1 {
                true => 0,
                false => {
                    let range = dataset.events.range(UserId(user as u32));
                    dataset.events.times()[range].iter().filter(|&&event| event < time).count()
                }
            };
            let like = if user % 2 == item % 2 { 0.6 } else { 0.1 };
            let click = rng.unit() < like / (1.0 + slot as f64 / 2.0);
            let converts = click && rng.unit() < 0.4;
            let click_time = time + 60_000;
            let delay = (-(1.0 - rng.unit()).ln() * 0.7 * DAY_MS as f64) as i64;
            let part = match row * 10 / rows {
                8 => Part::Valid,
                9 => Part::Test,
                _ => Part::Train,
            };
            examples.parts.push(part);
            examples.users.push(UserId(user as u32));
            examples.items.push(ItemId(item as u32));
            examples.times.push(time);
            examples.history_ends.push(seen as u32);
            examples.clicks.push(click);
            let converts = converts && delay < 2 * DAY_MS;
            examples.conversions.push(Some(converts));
            examples.click_times.push(if click { click_time } else { i64::MIN });
            examples.conversion_times.push(if converts { click_time + delay } else { i64::MIN });
            examples.dwell_ms.push(if click { rng.below(90_000) as i32 } else { -1 });
            examples.surfaces.push(rng.below(2) as u8);
            examples.slots.push(slot as u16);
        }
        examples.log_end = Some(20 * HOUR_MS + 8 * DAY_MS);
        let content = testing::contents(ITEMS, WIDTH, &mut rng);
        let advertisers = (0..ITEMS as u32).map(|item| if item < 8 { item / 3 } else { u32::MAX }).collect();
        let kinds = dataset.catalog.kinds.clone();
        let items = Items { content, advertisers, prefixes: None, kinds, known: vec![true; ITEMS] };
        World { dataset, examples, items }
    }

    /// The same with a log that has everything some hours later.
    fn logging_hours(mut self, hours: i64) -> World {
        self.dataset.meta.windows.insert("logging_delay_seconds".into(), (hours * 3600).into());
        self
    }

    /// The same with a log that has some clicks after their window, and some conversions days later.
    fn disordered(mut self, seed: u64) -> World {
        let mut rng = Rng::new(seed, "disorder");
        let mut late = |times: &[i64], most: usize| -> Vec<i64> {
            let received = |time: &i64| match time {
                &i64::MIN => i64::MIN,
                time => time + if rng.unit() < 0.3 { rng.below(most) as i64 } else { 0 },
            };
            times.iter().map(received).collect()
        };
        self.examples.click_received = late(&self.examples.click_times, 12 * HOUR_MS as usize);
        self.examples.conversion_received = late(&self.examples.conversion_times, 4 * DAY_MS as usize);
        self
    }

    /// Turns the labels of a row around that are not known before a time.
    fn turn_around(&mut self, row: usize, now: i64) {
        let labels = self.labels();
        let ((click, clicked), late) = (labels.click_known(row), labels.late_click(row));
        let conversion = labels.conversion_known(row);
        let examples = &mut self.examples;
        if let Some(received) = examples.click_received.get_mut(row) {
            if click >= now || !clicked && late.is_none_or(|known| known >= now) {
                examples.clicks[row] = !examples.clicks[row];
                examples.click_times[row] = examples.times[row] + 60_000;
                *received = now.max(examples.times[row] + 60_000);
                return;
            }
        } else if click >= now {
            examples.clicks[row] = !examples.clicks[row];
            examples.click_times[row] = now.max(examples.times[row]) + 1;
            return;
        }
        if conversion.is_some_and(|known| known >= now) {
            examples.conversions[row] = Some(false);
            examples.conversion_times[row] = i64::MIN;
        }
    }

    fn labels(&self) -> Labels<'_> {
        Labels::new(&self.dataset, &self.examples)
    }

    fn log(&self) -> (&Dataset, &Examples) {
        (&self.dataset, &self.examples)
    }

    /// What `run` makes of a training with these settings.
    fn with_trainer<R>(
        &self,
        (settings, train): (&PointwiseSettings, &TrainSettings),
        run: impl FnOnce(PointwiseTrainer) -> R,
    ) -> R {
        self.with_task((settings, train), |task| run(PointwiseTrainer::new(task)))
    }

    /// The same of the task itself.
    fn with_task<R>(
        &self,
        (settings, train): (&PointwiseSettings, &TrainSettings),
        run: impl FnOnce(&PointwiseTask) -> R,
    ) -> R {
        let items = Arc::new(self.items.clone());
        testing::with_task((&self.dataset, &self.examples, &items), (settings, train), 3, run)
    }
}

fn small() -> PointwiseSettings {
    PointwiseSettings {
        dim: 6,
        hidden: 10,
        hidden_2: 6,
        batch: 32,
        epochs: 3,
        ..PointwiseSettings::default()
    }
}

fn once(delay: Delay) -> TrainSettings {
    TrainSettings { delay, stream: Stream::Fixed(true), ..TrainSettings::default() }
}
