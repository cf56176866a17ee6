//! MovieLens in its three generations, and MovieTweetings: `ratings.csv` with `movies.csv`, `ratings.dat` with
//! `movies.dat`, `u.data` with `u.item`. Every rating is an event unless `--min-rating` is given; genres become words.

use super::delimited::Delimited;
use super::events::EventsPlan;
use super::items::ItemsPlan;
use super::lines::{Cut, CutLines};
use super::options::{Mapping, Options};
use super::rows::{Column, Heading, Reader, Row, Rows};
use super::source::{self, plain_name};
use super::table;
use crate::{Error, ImportReport};
use std::path::{Path, PathBuf};

/// Ratings files and their items files, newest generation first.
const PAIRS: [(&str, &str); 3] =
    [("ratings.csv", "movies.csv"), ("ratings.dat", "movies.dat"), ("u.data", "u.item")];

/// The genre flags of `u.item`, from its README.
const GENRES: [&str; 19] = [
    "",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Imports ratings, with the movies beside them or those of `--items`.
pub(crate) fn import(options: &Options) -> Result<ImportReport, Error> {
    let (events, items) = files(options)?;
    let options = &Options { mapping: mapping(options), events, items, ..options.clone() };
    let items = options.items.as_deref().map(movies).transpose()?;
    let items = items.map(|rows| ItemsPlan::new(rows, options)).transpose()?;
    let items = items.map(ItemsPlan::with_genres);
    let events = EventsPlan::new(ratings(&options.events)?, options, "rate")?;
    table::run(options, items, events)?.finish()
}

fn mapping(options: &Options) -> Mapping {
    let given = options.mapping.clone();
    Mapping { text: given.text.or_else(|| Some(vec!["title".into(), "genres".into()])), ..given }
}

/// The ratings file and, in a folder, the movies file beside it.
fn files(options: &Options) -> Result<(PathBuf, Option<PathBuf>), Error> {
    let folder = &options.events;
    if !folder.is_dir() {
        return Ok((folder.clone(), options.items.clone()));
    }
    let find = |name| source::in_folder(folder, name);
    PAIRS
        .iter()
        .find_map(|(ratings, movies)| Some((find(ratings)?, options.items.clone().or_else(|| find(movies)))))
        .ok_or_else(|| Error::Schema {
            path: folder.clone(),
            got: "a folder without ratings".into(),
            expected: "ratings.csv, ratings.dat or u.data (also .gz) in it".into(),
        })
}

fn ratings(path: &Path) -> Result<Rows, Error> {
    let cut = |separator| Cut {
        separator,
        names: &["userId", "movieId", "rating", "timestamp"],
        free: None,
        latin1: false,
    };
    let name = plain_name(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "csv" => Delimited::csv(path),
        "dat" => CutLines::open(path, cut("::")),
        "data" => CutLines::open(path, cut("\t")),
        _ => Err(unknown(path, "a file ratings.csv, ratings.dat or u.data (also .gz)")),
    }
}

fn movies(path: &Path) -> Result<Rows, Error> {
    let name = plain_name(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "csv" => Delimited::csv(path),
        "dat" => {
            let names = &["movieId", "title", "genres"];
            CutLines::open(path, Cut { separator: "::", names, free: Some(1), latin1: true })
        }
        "item" => GenreFlags::open(path),
        _ => Err(unknown(path, "a file movies.csv, movies.dat or u.item (also .gz)")),
    }
}

fn unknown(path: &Path, expected: &str) -> Error {
    Error::Schema { path: path.to_owned(), got: "a file of unknown format".into(), expected: expected.into() }
}

/// `u.item`: id, title and dates, then one 0 or 1 per genre.
struct GenreFlags {
    lines: Rows,
    whole: Row,
}

impl GenreFlags {
    fn open(path: &Path) -> Result<Rows, Error> {
        let names = &[
            "movieId", "title", "released", "video", "url", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
            "10", "11", "12", "13", "14", "15", "16", "17", "18",
        ];
        let mut lines = CutLines::open(path, Cut { separator: "|", names, free: Some(1), latin1: true })?;
        lines.select(&(0..names.len()).collect::<Vec<_>>())?;
        let columns = ["movieId", "title", "genres"].map(Column::text).to_vec();
        Ok(Rows::new(Heading::new(lines.path(), columns), GenreFlags { lines, whole: Row::default() }))
    }
}

impl Reader for GenreFlags {
    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        let more = self.lines.next(&mut self.whole);
        row.start(self.whole.line);
        if !more? {
            return Ok(false);
        }
        let set = |&genre: &usize| self.whole.cell(5 + genre) == "1";
        let genres: Vec<&str> = (1..GENRES.len()).filter(set).map(|genre| GENRES[genre]).collect();
        let fields = [self.whole.cell(0), self.whole.cell(1), &genres.join("|")];
        heading.selected.iter().for_each(|&column| row.push(fields[column], true));
        Ok(true)
    }
}
