//! A [`FeatureState`] in a folder. A loaded state continues with the same bits.
//!
//! | file | holds |
//! |---|---|
//! | `features.safetensors` | counts, pairs of items, effects, the users shown something since the last look |
//! | `features.json` | what is read, and how it is counted |
//!
//! The state of a training waits for labels of the impressions of its last windows and a week, unless it knows them all: nothing in it
//! depends on what came later. A label that comes later still is not counted after loading.

use super::affinity::Neighbours;
use super::counts::{CountState, Counting};
use super::effects::{ContentEffects, Residuals};
use super::features::{FeatureState, View};
use super::items::Items;
use super::request::Reading;
use super::tensors::{Rows, Tensors, pieces, total};
use semrank_core::narrow;
use semrank_store::{read_json, write_json};
use semrank_tower::artefact::{Error, same};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

const TENSORS: &str = "features.safetensors";
const FACTS: &str = "features.json";

/// What is not a tensor.
#[derive(Debug, Serialize, Deserialize)]
struct StateFacts {
    /// Items of the catalogue, and width of their contents.
    items: usize,
    content: usize,
    reading: Reading,
    counting: Option<Counting>,
    neighbours: bool,
    shown: usize,
}

impl FeatureState {
    /// Writes the state into an existing folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::default();
        self.counts.iter().for_each(|counts| counts.save(&mut tensors));
        self.neighbours.iter().for_each(|neighbours| neighbours.save(&mut tensors));
        self.effects.iter().for_each(|effects| effects.save(&mut tensors));
        self.save_views(&mut tensors);
        tensors.save(&dir.join(TENSORS))?;
        let facts = StateFacts {
            items: self.items.len(),
            content: self.items.width(),
            reading: self.reading,
            counting: self.counts.as_ref().map(CountState::counting),
            neighbours: self.neighbours.is_some(),
            shown: self.shown,
        };
        Ok(write_json(&dir.join(FACTS), &facts)?)
    }

    /// Reads a state; `items` are those it was saved with.
    ///
    /// # Errors
    /// A missing or damaged file, or the state of another catalogue.
    pub fn load(dir: &Path, items: Arc<Items>) -> Result<Self, Error> {
        let path = dir.join(FACTS);
        let facts: StateFacts = read_json(&path)?;
        same(&path, "the number of items", facts.items, items.len())?;
        same(&path, "the width of contents", facts.content, items.width())?;
        let rows = Rows::open(&dir.join(TENSORS))?;
        let counts = facts.counting.map(|counting| CountState::load(&rows, counting)).transpose()?;
        counts.as_ref().map_or(Ok(()), |counts| rows.check("counted items", counts.items(), items.len()))?;
        let contents = facts.counting.filter(|_| items.width() > 0);
        let effects = |counting: Counting| ContentEffects::load(&rows, &items, counting.conversions());
        Ok(Self {
            effects: contents.map(effects).transpose()?,
            neighbours: facts.neighbours.then(|| Neighbours::load(&rows)).transpose()?,
            views: load_views(&rows, items.len())?,
            counts,
            items,
            reading: facts.reading,
            shown: facts.shown,
        })
    }

    fn save_views(&self, out: &mut Tensors) {
        let views: BTreeMap<u32, &View> = self.views.iter().map(|(&user, view)| (user, &**view)).collect();
        let residuals = || views.values().flat_map(|view| &view.residuals);
        out.u32s("views.users", views.keys().copied());
        out.u32s("views.labelled", views.values().map(|view| view.labelled));
        out.u32s("views.lengths", views.values().map(|view| narrow::count(view.residuals.len())));
        out.u32s("views.items", residuals().map(|&(item, _)| item));
        out.f32s("views.residuals", residuals().map(|&(_, residual)| residual));
    }
}

fn load_views(rows: &Rows, items: usize) -> Result<HashMap<u32, Arc<View>>, Error> {
    let users = rows.u32s("views.users")?;
    let labelled = rows.u32s_of("views.labelled", users.len())?;
    let lengths = rows.u32s_of("views.lengths", users.len())?;
    let of_items = rows.u32s_of("views.items", total(&lengths))?;
    let beyond = of_items.iter().filter(|&&item| item as usize > items).count();
    rows.check("items beyond the catalogue", beyond, 0)?;
    let residuals = rows.f32s_of("views.residuals", of_items.len())?;
    let all: Residuals = of_items.into_iter().zip(residuals).collect();
    let views = pieces(&all, &lengths).zip(labelled).map(|(of, labelled)| View::new(labelled, of.to_vec()));
    Ok(users.into_iter().zip(views.map(Arc::new)).collect())
}
