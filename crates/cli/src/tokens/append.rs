//! `semrank tokens append`: texts of new items in, their ids out, published beside those of the run's catalogue.
//!
//! Texts become vectors by the run's own encoders and tower, and ids by its frozen codebook. Wherever it is killed, all new
//! items have an id afterwards or none has.

use crate::error::Error;
use crate::output::{self, note};
use crate::progress::Console;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::counted;
use semrank_data::import::TextColumns;
use semrank_embed::TextFile;
use semrank_pipeline::{
    Data,
    ids::{append_items, write_ids},
};
use semrank_tokens::Appended;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `semrank tokens append`.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    /// Items file: Parquet, CSV, TSV or NDJSON by extension; the text formats may be gzipped.
    #[arg(long, value_name = "FILE")]
    items: PathBuf,
    /// Id column of the items file [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN")]
    item_id: Option<String>,
    /// Text columns, by commas [default: those of the run's data set].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    text: Option<Vec<String>>,
    /// File to write, .tsv: the ids of the given items, new ones and known ones.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Generation to append to [default: RUN/ids, made at first use].
    #[arg(long, value_name = "DIR")]
    generation: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    ids: &'a Path,
    generation: u32,
    items: usize,
    #[serde(flatten)]
    appended: Appended,
    /// Items of the generation that have an id now.
    published: usize,
    seconds: f64,
}

/// Runs the verb.
pub(crate) fn append(args: &AppendArgs, console: &Console) -> Result<(), Error> {
    let started = Instant::now();
    let run = args.from.open()?;
    run.ids()?;
    let source = source(args, run.data()?);
    let (generation, names, appended) =
        append_items(&run, &source, args.generation.as_deref(), &console.context())?;
    if let Some(out) = &args.out {
        write_ids(out, &generation, &names)?;
    }
    let place = run.published();
    let summary = Summary {
        ids: args.generation.as_deref().unwrap_or(&place),
        generation: generation.codebook().generation(),
        items: names.len(),
        appended,
        published: generation.len(),
        seconds: started.elapsed().as_secs_f64(),
    };
    if args.json { output::json(&summary) } else { output::text(&summary.text()) }
}

fn source(args: &AppendArgs, data: &Data) -> TextFile {
    let usual = &data.dataset.meta.text;
    let text = args.text.as_ref().unwrap_or(usual);
    if text != usual {
        note(&format!(
            "tokens: the run's items have the texts {}, these {}",
            usual.join(", "),
            text.join(", ")
        ));
    }
    let (path, item_id) = (args.items.clone(), args.item_id.clone());
    TextFile::new(TextColumns { path, item_id, text: Some(text.clone()) })
}

impl Summary<'_> {
    fn text(&self) -> String {
        let Appended { new, known, moved } = self.appended;
        let moved = match moved {
            0 => String::new(),
            moved => format!(" ({moved} moved to a free id nearby)"),
        };
        format!(
            "{} read: {new} got an id{moved}, {known} had one already; now {} an id\n{:.1} s\nids: {}, generation {}\n",
            counted(self.items, "item", "items"),
            counted(self.published, "item has", "items have"),
            self.seconds,
            self.ids.display(),
            self.generation
        )
    }
}
