//! The end of `semrank embed --help`: examples, then every kind of encoder with all its options, from the encoders' own tables.

use semrank_embed::kinds;
use std::fmt::Write;

const COLUMNS: usize = 80;

const EXAMPLES: &str = "\
Examples:
  semrank embed --items ads.csv --item-id sku --text title,brand --out v.parquet
  semrank model fetch minilm
  semrank embed --items ads.csv --encoder bert:models/minilm --out ads.parquet
  semrank embed --items ads.csv --encoder 'bert:models/e5?prompt=passage: ' \\
      --out ads.parquet
  semrank embed --data shop --encoder hash: --encoder static:models/table \\
      --out both.parquet --separate
  semrank embed --items ads.csv --encoder 'hash:?output=sparse' --out tokens.tsv
";

const ENCODERS: &str = "
Encoders and their options, written KIND:PATH?key=value&key=value. PATH is a
folder in Hugging Face layout, or a wheel or zip file that carries one. Defaults
stand in brackets.
";

/// Examples and encoders.
pub(crate) fn examples_and_encoders() -> String {
    let mut out = format!("{EXAMPLES}{ENCODERS}");
    for kind in kinds() {
        entry(&mut out, "\n", kind.name, kind.what);
        for option in kind.options {
            entry(
                &mut out,
                "    ",
                &format!("{}=", option.key),
                &format!("{}: {}", option.values, option.what),
            );
        }
        if kind.name == "hash:" {
            entry(&mut out, "    ", "output=", "sparse: TF-IDF weights alone, into a .tsv file");
        }
    }
    out
}

/// `name` and its meaning, which goes on in indented lines.
fn entry(out: &mut String, before: &str, name: &str, what: &str) {
    const INDENT: usize = 20;
    let _ = write!(out, "{before}{name:<width$}", width = INDENT - before.trim_start_matches('\n').len());
    let mut column = INDENT;
    for word in what.split(' ') {
        if column + word.len() > COLUMNS {
            out.truncate(out.trim_end().len());
            let _ = write!(out, "\n{:INDENT$}", "");
            column = INDENT;
        }
        let _ = write!(out, "{word} ");
        column += word.len() + 1;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_every_encoder_is_listed_within_eighty_columns() {
        let help = examples_and_encoders();
        for kind in kinds() {
            assert!(help.contains(kind.name), "{}", kind.name);
            for option in kind.options {
                assert!(help.contains(&format!("\n    {}=", option.key)), "{} {}", kind.name, option.key);
            }
        }
        assert!(help.lines().all(|line| line.chars().count() <= COLUMNS && !line.ends_with(' ')), "{help}");
    }
}
