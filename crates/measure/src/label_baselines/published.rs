//! Figures of the baselines on public data; they skip where it is absent. With `SEMRANK_PREDICTIONS=DIR` the files that
//! an independent scorer reads are written there, as NAME-ROWS.tsv. Run all with
//! `cargo test --release -p semrank-measure --lib label_baselines -- --include-ignored --nocapture`.

use super::*;
use crate::probabilities::{Bootstrap, BootstrapSettings, Measure, Scores, grouped_auc};
use semrank_data::import::{Format, Mapping, Options, PartFiles, import};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn data_folder(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("SEMRANK_DATA").map_or_else(|| beside.into(), PathBuf::from).join(name);
    let found = folder.is_dir();
    if !found {
        println!("skipped: no data ({})", folder.display());
    }
    found.then_some(folder)
}

fn open(options: Options) -> (Dataset, Examples) {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("set");
    import(&Options { out: out.clone(), ..options }).unwrap();
    let dataset = Dataset::open(&out).unwrap();
    let examples = Examples::open(&out, &dataset).unwrap();
    (dataset, examples)
}

fn collm(folder: &Path) -> Options {
    let file = |name: &str| Some(folder.join(name));
    let mapping = Mapping { text: Some(vec!["title".into()]), ..Mapping::default() };
    let [train, valid, test] = ["train.parquet", "valid.parquet", "test.parquet"].map(file);
    let parts = PartFiles { train, valid, test };
    Options { format: Format::Pointwise, parts, items: file("items.tsv"), mapping, ..Options::default() }
}

/// Writes a column as an independent scorer reads it.
fn write(data: LabelledRows<'_>, rows: &[u32], baseline: &Baseline) {
    let Some(dir) = std::env::var_os("SEMRANK_PREDICTIONS") else { return };
    let mut out = String::from("user\titem\tlabel\tscore\n");
    for (&row, score) in rows.iter().zip(&baseline.scores) {
        let (user, item) = (data.examples.users[row as usize], data.examples.items[row as usize]);
        let (user, item) = (data.examples.user_names.name(user.0), data.dataset.catalog.name(item));
        let label = u8::from(data.label(row as usize) == Some(true));
        writeln!(out, "{user}\t{item}\t{label}\t{score}").unwrap();
    }
    std::fs::write(Path::new(&dir).join(format!("{}-{}.tsv", baseline.name, rows.len())), out).unwrap();
}

/// Prints all baselines; gives name, AUC, mean AUC of the groups and NE.
fn table(data: LabelledRows<'_>, groups: &[u32]) -> Vec<(String, [f64; 3])> {
    let rows = data.rows(&[Part::Test]);
    let labels = data.labels(&rows);
    let groups: Vec<u32> = rows.iter().map(|&row| groups[row as usize]).collect();
    let all = baselines(data, &data.rows(&[Part::Test]));
    let print = |baseline: &Baseline| {
        let of = Scores::of(&baseline.scores, &labels);
        let group = grouped_auc(&groups, &baseline.scores, &labels);
        println!("{:26} {of:.5?}\n{:26} grouped AUC {:.5?}", baseline.name, "", group);
        write(data, &rows, baseline);
        (baseline.name.clone(), [of.auc.unwrap(), group.mean.unwrap_or(0.5), of.ne.unwrap()])
    };
    all.iter().map(print).collect()
}

fn value(table: &[(String, [f64; 3])], name: &str) -> [f64; 3] {
    table.iter().find(|row| row.0 == name).unwrap().1
}

/// The README of the data: smoothed item mean + user mean, AUC .7320; item mean alone, UAUC .6816; with the validation
/// rows .7394.
#[test]
fn collm_movielens_means_are_as_published() {
    let Some(folder) = data_folder("collm-ml1m") else { return };
    let (dataset, examples) = open(collm(&folder));
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Click);
    let users: Vec<u32> = examples.users.iter().map(|user| user.0).collect();
    let table = table(data, &users);
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 6e-5, "{got} {expected}");
    let [auc, uauc, _] = value(&table, "item_user_mean");
    close(auc, 0.7320);
    close(uauc, 0.6816);
    close(value(&table, "item_mean")[1], 0.6816);
    assert!(value(&table, "item_user_mean+valid")[0] >= 0.7394);
}

#[test]
fn the_users_bootstrap_tells_the_means_apart() {
    let Some(folder) = data_folder("collm-ml1m") else { return };
    let (dataset, examples) = open(collm(&folder));
    let scope = FitScope::of_examples(&dataset, &examples);
    let data = LabelledRows::new(&dataset, &examples, &scope, Label::Click);
    let rows = data.rows(&[Part::Test]);
    let users: Vec<u32> = rows.iter().map(|&row| examples.users[row as usize].0).collect();
    let all = baselines(data, &data.rows(&[Part::Test]));
    let of = |name: &str| &all.iter().find(|baseline| baseline.name == name).unwrap().scores[..];
    let columns = [of("item_user_mean+valid"), of("item_user_mean"), of("item_mean")];
    let bootstrap = Bootstrap::new(&columns, &data.labels(&rows), &users, BootstrapSettings::default());
    for measure in [Measure::Auc, Measure::UserAuc, Measure::LogLoss, Measure::Ne] {
        println!("{measure:?}: item+user {:.4?}", bootstrap.interval(measure, 1).unwrap());
        println!("  less item {:.4?}", bootstrap.difference(measure, 1, 2).unwrap());
        println!("  with valid less without {:.4?}", bootstrap.difference(measure, 0, 1).unwrap());
    }
    assert!(bootstrap.difference(Measure::Auc, 1, 2).unwrap().low > 0.0);
    assert!(bootstrap.difference(Measure::Ne, 1, 2).unwrap().high < 0.0);
}
