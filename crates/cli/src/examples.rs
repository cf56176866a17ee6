//! Example commands below the options in a verb's `--help`.

pub(crate) const IMPORT: &str = "\
Examples:
  semrank import --items items.csv --item-id sku --text title,brand \\
      --events events.parquet --user customer --timestamp time --action what \\
      --target-action purchase --out shop
  semrank import --format s3rec --events sequences.txt --out beauty
  semrank import --format pointwise --items ads.csv --item-id ad --text title \\
      --train train.csv --valid valid.csv --test test.csv --out rows";

pub(crate) const RUN: &str = "\
Examples:
  semrank run --data shop --out shop-run
  semrank run --data shop --out shop-run --resume               after Ctrl-C
  semrank run --data ads --out clicks --set task=ctr            click probabilities
  semrank run --data shop --out wide --set model.dim=96 --seed 2
`semrank config` prints all settings with their meaning.";

pub(crate) const EVALUATE: &str = "\
Examples:
  semrank evaluate shop-run
  semrank evaluate shop-run --json --predictions top50.tsv
  semrank evaluate clicks --task ctr --split validation";

pub(crate) const RECOMMEND: &str = "\
Examples:
  semrank recommend shop-run --user A2 -k 5 --explain
  semrank recommend shop-run --history i17,i4,i9               somebody the log does not have
  semrank recommend shop-run --new-user --json";

pub(crate) const SCORE: &str = "\
Example, with a file of one pair per line:
  semrank score shop-run --pairs pairs.tsv --out scores.tsv";

pub(crate) const COMPARE: &str = "\
Examples:
  semrank compare shop-run shop-run-2 --out page
  semrank compare ids-1 ids-2 ids-3 texts-1 texts-2 texts-3      medians over seeds";

pub(crate) const BACKTEST: &str = "\
Examples:
  semrank backtest --data shop --out work --set train.epochs=24
  semrank backtest --data shop --out work --seeds 3 --set blend.text=0 --set 'model.dim=64; model.blocks=2'";

pub(crate) const SIMULATE: &str = "\
Examples:
  semrank simulate --out market                                 choices of items
  semrank simulate --impressions 1000000 --out raw              an ad market's raw log
  semrank prep --data raw --out ads";
