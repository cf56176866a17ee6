//! Fine-tunes an encoder on the co-engagement pairs or clicks of a data set.
//!
//! Only training histories are used; one user in ten is held out to measure the loss before and after, and how often the
//! next item (that of validation) is near to the user's interests. The folder has Hugging Face layout: other tools load it
//! too (`docs/load_finetuned.py`); `finetune.json` in it records its inputs.

use crate::config::{Config, Task};
use crate::{Context, Data, Error};
use semrank_core::{ItemId, UserId, narrow};
use semrank_embed::{
    Engagement, Error as EmbedError, FinetuneSettings, Kept, Losses, Spec, TextLayers, Trainable,
    engagements, finetune, finetune_clicks, vectors_of,
};
use semrank_sequence::{InterestRecall, TrainingData, UnitVectors, interest_recall};
use semrank_store::{StagedDir, write_json};
use serde::Serialize;
use std::path::Path;

/// One in this many users is held out.
const HELD_OUT: usize = 10;
/// Steps between two remarks on progress.
const SHOWN: u64 = 25;
/// Numbers of interests whose recall is measured.
const INTERESTS: [usize; 3] = [1, 3, 5];
/// Marks a folder that a fine-tuning wrote.
pub const FACTS: &str = "finetune.json";

/// What an encoder is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Items engaged with soon after each other get near vectors.
    CoEngagement,
    /// Predicts the next engaged item from the texts of the ones before.
    Click,
}

/// What to train, and how.
#[derive(Debug, Clone)]
pub struct Finetune<'a> {
    /// Data set folder.
    pub data: &'a Path,
    /// Name of the encoder to begin with.
    pub encoder: &'a str,
    /// Folder to write to.
    pub out: &'a Path,
    /// What it is trained for.
    pub objective: Objective,
    /// Last layers that are trained.
    pub layers: usize,
    /// Longest text in training.
    pub max_tokens: usize,
    /// Passes, steps, rate and batch.
    pub settings: FinetuneSettings,
    /// Of every random choice.
    pub seed: u64,
}

/// The result; the content of `finetune.json`.
#[derive(Debug, Serialize)]
pub struct Finetuned {
    /// Name of the encoder that it began with.
    pub encoder: String,
    /// Name of the data set.
    pub dataset: String,
    /// What it was trained for.
    pub objective: Objective,
    /// Last layers that were trained.
    pub layers: usize,
    /// Of every random choice.
    pub seed: u64,
    /// Pairs or engagements.
    pub learned: usize,
    /// Those of held-out users.
    pub held_out: usize,
    /// Of held-out users, before and after.
    #[serde(flatten)]
    pub losses: Losses,
    /// Of held-out users.
    pub recall_before: Vec<InterestRecall>,
    /// Of held-out users.
    pub recall_after: Vec<InterestRecall>,
}

impl Finetune<'_> {
    /// Fine-tunes and writes the encoder, whole or not at all.
    ///
    /// # Errors
    /// An encoder that cannot be trained, a data set without texts or pairs, [`Error::Occupied`] where the folder holds something
    /// else; [`Error::Interrupted`].
    pub fn run(&self, mut config: Config, context: &Context) -> Result<Finetuned, Error> {
        self.check()?;
        if config.task == Task::NextItem && semrank_data::Examples::exist(self.data) {
            // The encoder may go into a model of clicks: it must not know more than that may.
            config.task = Task::Ctr;
            context.note("finetune: uses events before the first labelled row that is not for training");
        }
        let data = Data::open(self.data, &config)?;
        let examples = self.examples(&data, &config)?;
        let [learned, held_out] = examples.counts();
        let encoder = Trainable::open(self.encoder, Some(self.layers), self.max_tokens)?;
        encoder.notes().iter().for_each(|remark| context.note(&format!("finetune: {remark}")));
        context.note(&format!("finetune: {learned} {} to learn from, {held_out} held out", examples.name()));
        let (catalog, content) = (&data.dataset.catalog, &config.content);
        let kept = Kept::make(&encoder, catalog, content.kept_bytes, &content.cache_dir())?;
        let mut layers = TextLayers { encoder, kept };
        let recall_before = recall(&layers, &data, self.seed, context)?;
        let losses = examples.train(&mut layers, &data, &self.settings, (self.seed, context))?;
        let recall_after = recall(&layers, &data, self.seed, context)?;
        let found = Finetuned {
            encoder: self.encoder.to_owned(),
            dataset: data.dataset.meta.name.clone(),
            objective: self.objective,
            layers: self.layers,
            seed: self.seed,
            learned,
            held_out,
            losses,
            recall_before,
            recall_after,
        };
        let staged = StagedDir::new(self.out)?;
        layers.encoder.write(staged.path())?;
        write_json(&staged.path().join(FACTS), &found)?;
        context.check()?;
        staged.commit()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), Error> {
        self.settings.check_ranges()?;
        let spec = Spec::parse(self.encoder)?;
        if !Trainable::is_possible(self.encoder) {
            return Err(spec.error("only bert: and llama: can be fine-tuned").into());
        }
        if self.out.exists() && !self.out.join(FACTS).is_file() {
            return Err(Error::Occupied {
                path: self.out.to_owned(),
                expected: "folder of a fine-tuned encoder",
            });
        }
        Ok(())
    }

    fn examples(&self, data: &Data, config: &Config) -> Result<Examples, Error> {
        let nothing = |what| Error::NothingToLearn { dataset: data.dataset.meta.name.clone(), what };
        if !data.has_text() {
            return Err(nothing("no item with a text"));
        }
        let examples = Examples::of(data, self.objective, config.align.gap);
        if examples.counts()[0] == 0 {
            return Err(nothing("no user with two training events of the target action on different items"));
        }
        Ok(examples)
    }
}

/// Training examples, and those of held-out users.
enum Examples {
    Pairs([Vec<[u32; 2]>; 2]),
    Engagements([Vec<Engagement>; 2]),
}

impl Examples {
    fn of(data: &Data, objective: Objective, gap: usize) -> Self {
        let all = data.training(&[], None);
        let ends = [false, true].map(|held| {
            let end = |user: usize| match is_held_out(user) == held {
                true => all.train_ends[user],
                false => all.events.range(UserId(narrow::index(user))).start,
            };
            (0..all.train_ends.len()).map(end).collect::<Vec<usize>>()
        });
        let parts = ends.each_ref().map(|ends| TrainingData { train_ends: ends, ..all });
        match objective {
            Objective::CoEngagement => Examples::Pairs(parts.map(|part| part.pairs(gap))),
            Objective::Click => Examples::Engagements(parts.map(|part| engagements(&part.engaged()))),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Examples::Pairs(_) => "pairs of items",
            Examples::Engagements(_) => "engagements",
        }
    }

    fn counts(&self) -> [usize; 2] {
        match self {
            Examples::Pairs(parts) => parts.each_ref().map(Vec::len),
            Examples::Engagements(parts) => parts.each_ref().map(Vec::len),
        }
    }

    fn train(
        &self,
        layers: &mut TextLayers,
        data: &Data,
        settings: &FinetuneSettings,
        (seed, context): (u64, &Context),
    ) -> Result<Losses, Error> {
        let say = |step: u64, loss: f64| {
            if step.is_multiple_of(SHOWN) {
                context.note(&format!("finetune: step {step}, loss {loss:.3}"));
            }
            if (context.cancel)() { Err(EmbedError::Stopped) } else { Ok(()) }
        };
        let trained = match self {
            Examples::Pairs([learned, held]) => {
                finetune(layers, data.dataset.catalog.len(), (learned, held), settings, seed, say)
            }
            Examples::Engagements([learned, held]) => finetune_clicks(
                layers,
                &data.training(&[], None).engaged(),
                (learned, held),
                settings,
                seed,
                say,
            ),
        };
        trained.map_err(|error| match error {
            EmbedError::Stopped => Error::Interrupted,
            other => other.into(),
        })
    }
}

fn is_held_out(user: usize) -> bool {
    user.is_multiple_of(HELD_OUT)
}

/// How often the validation items of held-out users are near to their interests, and to the mean of their histories.
fn recall(
    layers: &TextLayers,
    data: &Data,
    seed: u64,
    context: &Context,
) -> Result<Vec<InterestRecall>, Error> {
    context.check()?;
    let all: Vec<u32> = narrow::indices(data.dataset.catalog.len()).collect();
    let width = layers.encoder.width();
    let vectors = UnitVectors::new(vectors_of(layers, &all)?, width);
    context.check()?;
    let cases = data.split.validation.iter().filter(|case| is_held_out(case.user.index()));
    let cases: Vec<(Vec<ItemId>, ItemId)> =
        cases.map(|case| (data.engaged(case.user, case.end), case.target)).collect();
    let cases: Vec<(&[ItemId], ItemId)> =
        cases.iter().map(|(history, target)| (history.as_slice(), *target)).collect();
    Ok(interest_recall(&vectors, &cases, &INTERESTS, seed))
}
