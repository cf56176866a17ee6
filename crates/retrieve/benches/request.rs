//! One request on one thread: a user's state from a history of 50 events, scores of 1,000 candidates, and the ranker's own best 500 of all
//! items, of a catalogue as large as Amazon Beauty's and of a million items. Medians and 99th percentiles.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p semrank-retrieve --bench request [-- ITEMS]`

use semrank_core::{ItemId, Rng};
use semrank_retrieve::{Bitmap, Precision, Request, sourcer::Sequence};
use semrank_sequence::SeenPolicy;
use semrank_sequence::testing::{Sizes, World};
use std::time::Instant;

const CANDIDATES: usize = 1_000;
const BEST: usize = 500;
const USERS: usize = 400;

/// As in Amazon Beauty: items, width of item vectors and of aligned contents.
const BEAUTY: Sizes =
    Sizes { users: USERS, items: 12_101, new: 100, events: 52, content: 128, dim: 128, history: 50 };

fn main() {
    let asked = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    pool.install(|| {
        report(BEAUTY);
        report(Sizes { items: asked.unwrap_or(1_000_000), content: 64, dim: 64, ..BEAUTY });
    });
}

fn report(sizes: Sizes) {
    println!("{} items, D = {}, contents of {}", sizes.items, sizes.dim, sizes.content);
    let world = World::of(sizes).with(SeenPolicy::Mask, 0);
    let users: Vec<_> =
        timed("user state", world.histories().iter(), |history| world.servable.user(*history));
    let mut rng = Rng::new(1, "candidates");
    let items: Vec<ItemId> = (0..CANDIDATES).map(|_| ItemId(rng.below(sizes.items) as u32)).collect();
    let mut scores = vec![0.0; CANDIDATES];
    timed("1,000 candidates", users.iter(), |user| world.servable.score_items(user, &items, &mut scores));
    let servable = &world.servable;
    for (precision, name) in [(Precision::F32, "f32"), (Precision::Int8, "int8")] {
        let begin = Instant::now();
        let source = Sequence::new(servable, precision).expect("finite rows");
        println!("  index in {name}: built in {:.2} s", begin.elapsed().as_secs_f64());
        for percent in [1, 10, 100] {
            let eligible: Bitmap = (0..sizes.items).map(|_| rng.below(100) < percent).collect();
            timed(&format!("best {BEST} of {percent} %, {name}"), users.iter(), |user| {
                source.top_k(&Request::new(servable, user, &eligible), BEST).expect("scores")
            });
        }
    }
}

fn timed<I, O>(what: &str, inputs: impl Iterator<Item = I>, mut run: impl FnMut(I) -> O) -> Vec<O> {
    let (mut times, mut out) = (Vec::new(), Vec::new());
    for input in inputs {
        let begin = Instant::now();
        out.push(run(input));
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("  {what}: p50 {:.3} ms, p99 {:.3} ms", times[times.len() / 2], times[times.len() * 99 / 100]);
    out
}
