//! `hnsw://`: a graph of near vectors (hierarchical navigable small world: Malkov and Yashunin 2016, arXiv 1603.09320; the crate
//! `usearch`) beside the flat index, for catalogues so large that a flat scan is too slow. Approximate.
//!
//! **The flat index has every vector**, and the last word: the graph only names rows, which are scored exactly beside those that were
//! put since it was built. A graph is never changed, so rows changed or deleted since are skipped in it ("dead"). Where a fifth is dead it
//! is built anew by a thread of its own, while searches go on with the old one; nothing is written to disk.
//!
//! **Always min(k, eligible) items**: where the graph has too few the flat index answers, and so it does wherever it is the faster one
//! ([`HnswSettings`]), with a slack, and when the library reports an error.
//!
//! **Inner products as distances** (Bachrach et al. 2014, "Speeding up the Xbox recommender system"): a row `[x | bias]` gets the
//! component that gives all rows one length, a query `[q | 1]` gets 0 there, and the nearest row has the largest inner product.

use super::{Flat, Index};
use crate::Error;
use semrank_nn::kernel::dot;
use semrank_nn::scan::{Bitmap, Hit, Precision};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use usearch::{IndexOptions, MetricKind, ScalarKind};

/// Searches at a time.
const THREADS: usize = 64;
/// Where one row of so many was put in since the graph was built, looking at them takes the flat index as long as looking at all.
const FRESH: usize = 14;

/// When the graph is used, and how it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HnswSettings {
    /// Rows from which on there is a graph.
    pub least_rows: usize,
    /// Eligible share of all rows below which the flat index answers.
    pub least_share: f32,
    /// Dead rows per row of the graph from which on it is built anew.
    pub dead_share: f32,
    /// Neighbours per row ("M").
    pub neighbours: usize,
    /// Candidates per insertion.
    pub build_candidates: usize,
    /// Candidates per item of an answer ("ef" divided by k).
    pub candidates_per_item: usize,
}

impl Default for HnswSettings {
    /// Least rows and share follow from one measurement, of a million rows (docs/retrieval.md): a scan takes time with the rows, the graph
    /// hardly; half of the rows eligible make the scan faster and the graph slower.
    fn default() -> Self {
        Self {
            least_rows: 2_000_000,
            least_share: 0.9,
            dead_share: 0.2,
            neighbours: 16,
            build_candidates: 128,
            candidates_per_item: 2,
        }
    }
}

/// The index. Dropping it waits for a graph that is being built.
pub struct Hnsw {
    shared: Arc<Shared>,
    builder: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    flat: Flat,
    settings: HnswSettings,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    graph: Option<Arc<Graph>>,
    /// Rows whose vector the graph does not have, or no longer: put or deleted since its building began.
    dead: Bitmap,
    /// The same for the graph that is being built.
    dead_next: Option<Bitmap>,
    /// Rows that are there.
    alive: Bitmap,
}

struct Graph {
    library: usearch::Index,
    rows: usize,
}

impl Hnsw {
    /// An empty one for vectors of a width; `precision` is that of the flat index.
    ///
    /// # Panics
    /// When the width is 0.
    pub fn new(width: usize, precision: Precision, settings: HnswSettings) -> Self {
        let shared = Shared { flat: Flat::new(width, precision), settings, state: RwLock::default() };
        Self { shared: Arc::new(shared), builder: Mutex::default() }
    }

    /// Builds the graph anew if enough is dead, and waits until it is there.
    pub fn settle(&self) {
        self.rebuild_if_due();
        if let Some(builder) = self.builder().take() {
            // A panic of the builder leaves the old graph, which is still right.
            builder.join().ok();
        }
    }

    /// Bytes of the graph and of the flat index.
    pub fn bytes(&self) -> (usize, usize) {
        let graph = self.shared.read().graph.as_ref().map_or(0, |graph| graph.library.memory_usage());
        (graph, self.shared.flat.bytes())
    }

    fn builder(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.builder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, item: u32, is_there: bool) {
        let mut state = self.shared.write();
        mark(&mut state.dead, item, true);
        mark(&mut state.alive, item, is_there);
        if let Some(dead) = &mut state.dead_next {
            mark(dead, item, true);
        }
        let due = self.shared.is_due(&state);
        drop(state);
        if due {
            self.rebuild_if_due();
        }
    }

    fn rebuild_if_due(&self) {
        let mut builder = self.builder();
        if builder.as_ref().is_none_or(JoinHandle::is_finished) {
            let shared = self.shared.clone();
            *builder = Some(std::thread::spawn(move || while shared.rebuild() {}));
        }
    }
}

impl Drop for Hnsw {
    fn drop(&mut self) {
        if let Some(builder) = self.builder().take() {
            builder.join().ok();
        }
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, state: &State) -> bool {
        let rows = state.graph.as_ref().map_or(0, |graph| graph.rows);
        let is_large = state.alive.count() >= self.settings.least_rows.max(1);
        is_large
            && state.dead_next.is_none()
            && state.dead.count() as f32 > self.settings.dead_share * rows as f32
    }

    /// Builds the graph anew; returns whether it was due and is there.
    fn rebuild(&self) -> bool {
        let rows = {
            let mut state = self.write();
            if !self.is_due(&state) {
                return false;
            }
            state.dead_next = Some(Bitmap::default());
            state.alive.clone()
        };
        let graph = Graph::build(&self.flat, &rows, &self.settings);
        let mut state = self.write();
        // Without memory for a graph the flat index answers alone; what was cleared meanwhile needs none.
        let (Some(dead), Some(graph)) = (state.dead_next.take(), graph) else { return false };
        (state.graph, state.dead) = (Some(Arc::new(graph)), dead);
        true
    }

    /// Rows among which the best `k` are to be looked for; none where the flat index is to look at all.
    fn candidates(&self, query: &[f32], k: usize, eligible: Option<&Bitmap>) -> Option<Bitmap> {
        let (graph, mut out, allowed) = {
            let state = self.read();
            let allowed =
                eligible.map_or_else(|| state.alive.clone(), |eligible| both(&state.alive, eligible));
            (state.graph.clone()?, both(&state.dead, &allowed), allowed)
        };
        let is_few = (allowed.count() as f32) < self.settings.least_share * graph.rows as f32;
        if is_few || allowed.count() <= k || out.count() * FRESH > graph.rows {
            return None;
        }
        let fresh = out.clone();
        let is_wanted = |item| allowed.contains(item) && !fresh.contains(item);
        let found = graph.search(query, k.saturating_mul(self.settings.candidates_per_item), is_wanted)?;
        found.into_iter().for_each(|item| _ = out.set(item, true));
        Some(out)
    }
}

/// Sets a row, of a set that grows if need be.
fn mark(set: &mut Bitmap, item: u32, is_in: bool) {
    while is_in && set.len() <= item as usize {
        set.push(false);
    }
    set.set(item, is_in);
}

/// The rows of both sets.
fn both(a: &Bitmap, b: &Bitmap) -> Bitmap {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut out = long.clone();
    out.intersect(short);
    out
}

impl Graph {
    /// None where the library reports an error.
    fn build(flat: &Flat, rows: &Bitmap, settings: &HnswSettings) -> Option<Self> {
        let options = IndexOptions {
            dimensions: flat.width() + 2,
            metric: MetricKind::L2sq,
            quantization: ScalarKind::F32,
            connectivity: settings.neighbours,
            expansion_add: settings.build_candidates,
            ..IndexOptions::default()
        };
        let library = usearch::Index::new(&options).ok()?;
        // A search beyond these threads is an error, which the flat index answers.
        library.reserve_capacity_and_threads(rows.count(), THREADS).ok()?;
        let row = |item: u32| {
            flat.row(item).map(|(vector, bias)| (dot(&vector, &vector) + bias * bias, vector, bias))
        };
        let longest = rows.iter().filter_map(row).fold(0.0f32, |longest, (length, ..)| longest.max(length));
        for item in rows.iter() {
            // Gone since the building began.
            let Some((length, mut vector, bias)) = row(item) else { continue };
            vector.extend([bias, (longest - length).max(0.0).sqrt()]);
            library.add(u64::from(item), &vector).ok()?;
        }
        Some(Self { library, rows: rows.count() })
    }

    /// Rows near the best `wanted`; none where the library reports an error.
    fn search(&self, query: &[f32], wanted: usize, is_wanted: impl Fn(u32) -> bool) -> Option<Vec<u32>> {
        let query: Vec<f32> = query.iter().copied().chain([1.0, 0.0]).collect();
        // Keys are items.
        let found = self.library.filtered_search(&query, wanted, |key| is_wanted(key as u32)).ok()?;
        Some(found.keys.into_iter().map(|key| key as u32).collect())
    }
}

impl Index for Hnsw {
    fn name(&self) -> &'static str {
        "hnsw"
    }

    fn width(&self) -> usize {
        self.shared.flat.width()
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn put(&self, item: u32, vector: &[f32], bias: f32) -> Result<(), Error> {
        self.shared.flat.put(item, vector, bias)?;
        self.changed(item, true);
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        *self.shared.write() = State::default();
        self.shared.flat.clear()
    }

    fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error> {
        self.shared.flat.vector(item)
    }

    fn delete(&self, item: u32) -> Result<bool, Error> {
        let was_there = self.shared.flat.delete(item)?;
        if was_there {
            self.changed(item, false);
        }
        Ok(was_there)
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        slack: Option<f32>,
        eligible: Option<&Bitmap>,
    ) -> Result<Vec<Hit>, Error> {
        let flat = &self.shared.flat;
        let can_be_approximate = slack.is_none() && query.len() == flat.width();
        if let Some(candidates) =
            can_be_approximate.then(|| self.shared.candidates(query, k, eligible)).flatten()
        {
            let hits = flat.search(query, k, None, Some(&candidates))?;
            // Fewer where the graph is not connected, or rows went meanwhile.
            if hits.len() == k {
                return Ok(hits);
            }
        }
        flat.search(query, k, slack, eligible)
    }
}
