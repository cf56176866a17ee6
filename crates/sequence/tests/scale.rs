//! Promise: the learned temperature stays within the range that can be set, so that training stays finite at any rate.

use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, Rng, UserId};
use semrank_sequence::{Trainer, TrainingData};
use semrank_tower::{ModelSettings, TrainSettings};

const USERS: usize = 8;
const ITEMS: usize = 12;
const STEPS: usize = 30;

/// The smallest and the largest factor of the cosine over some steps, and whether all parameters stayed finite.
fn factors(temperature: f64, rate: f64) -> ([f32; 2], bool) {
    let mut rng = Rng::new(1, "scale");
    let mut log = EventLogBuilder::default();
    for user in 0..USERS as u32 {
        for time in 0..6 {
            let item = ItemId(rng.below(ITEMS) as u32);
            log.push(UserId(user), Event { item, action: ActionId(0), time });
        }
    }
    let events = log.finish(USERS, false);
    let ends: Vec<usize> = (0..USERS).map(|user| events.range(UserId(user as u32)).end).collect();
    let data = TrainingData::new(&events, &ends, &[6; ITEMS]);
    let model = ModelSettings { dim: 8, heads: 2, temperature, content: false, ..ModelSettings::default() };
    let train = TrainSettings { batch: 12, negatives: 7, warmup_steps: 0, rate, ..TrainSettings::default() };
    let mut trainer: Trainer<f32> = Trainer::new(&model, &train, data, 1);
    let (mut least, mut most, mut finite) = (f32::INFINITY, 0f32, true);
    for _ in 0..STEPS {
        let (loss, _) = trainer.train_step().expect("content is frozen");
        let scale = trainer.network.scale();
        (least, most) = (least.min(scale), most.max(scale));
        finite &= loss.is_finite() && trainer.network.weights.params.iter().all(|value| value.is_finite());
    }
    ([least, most], finite)
}

#[test]
fn the_factor_of_the_cosine_stays_in_its_range_and_parameters_finite() {
    for temperature in [1e-6, 0.07, 1e6] {
        for rate in [1e-3, 1.0, 30.0] {
            let ([least, most], finite) = factors(temperature, rate);
            let expected = 0.999e-6..1.001e6;
            assert!(expected.contains(&least) && expected.contains(&most), "{least} to {most}");
            assert!(finite, "temperature {temperature}, rate {rate}");
        }
    }
}
