//! Vectors from files: layouts, ids without a vector, and files that are refused.

use super::*;
use ::parquet::arrow::ArrowWriter;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::*;
use arrow_cast::cast;
use arrow_schema::{DataType, Field as Column};
use std::fs::File;
use std::sync::Arc;

/// Writes two columns called `item_id` and `vector`.
fn write(dir: &Path, ids: ArrayRef, vectors: ArrayRef) -> PathBuf {
    let path = dir.join("vectors.parquet");
    let batch = RecordBatch::try_from_iter_with_nullable([("item_id", ids, true), ("vector", vectors, true)]);
    let batch = batch.expect("columns of one length");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    path
}

fn ids(names: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(names))
}

fn lists(rows: &[&[f32]]) -> ArrayRef {
    let rows = rows.iter().map(|row| Some(row.iter().map(|&value| Some(value)).collect::<Vec<_>>()));
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

fn encoder(path: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    open(Spec::parse(&format!("parquet:{}?{options}", path.display())).expect("a name"))
}

#[track_caller]
fn encoded(encoder: &dyn TextEncoder, ids: &[&str]) -> Vec<f32> {
    let documents: Vec<Document> = ids.iter().map(|id| Document { id, fields: &[] }).collect();
    let mut out = vec![0.0; ids.len() * encoder.width()];
    encoder.encode(&documents, &mut out).expect("vectors");
    out
}

#[track_caller]
fn refused(path: &Path, parts: &[&str]) {
    let message = encoder(path, "").err().expect("an error").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message}\nlacks one of {parts:?}");
    assert!(message.contains(&path.display().to_string()), "{message}");
}

#[test]
fn every_layout_of_lists_and_ids_gives_the_same_vectors() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = [[1.0f32, -0.5], [0.25, 8.0]];
    let list = lists(&[&rows[0], &rows[1]]);
    let values: ArrayRef = Arc::new(Float32Array::from(rows.concat()));
    let layout = |kind: DataType| {
        let values = cast(&values, &kind).expect("values");
        let field = Arc::new(Column::new("item", kind, true));
        Arc::new(FixedSizeListArray::new(field, 2, values, None)) as ArrayRef
    };
    let large = DataType::LargeList(Arc::new(Column::new("item", DataType::Float64, true)));
    let halves = DataType::List(Arc::new(Column::new("item", DataType::Float16, true)));
    let vectors = [
        list.clone(),
        cast(&list, &large).expect("f64"),
        cast(&list, &halves).expect("f16"),
        layout(DataType::Float32),
        layout(DataType::Float64),
        layout(DataType::Float16),
    ];
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 7]));
    let names = ids(&["18446744073709551615", "7"]);
    let keys = [names.clone(), cast(&names, &dictionary).expect("a dictionary"), big];
    for (key, vector) in keys.iter().flat_map(|key| vectors.iter().map(move |vector| (key, vector))) {
        let path = write(dir.path(), key.clone(), vector.clone());
        let encoder = encoder(&path, "").expect("an encoder");
        assert_eq!(encoded(&*encoder, &["7", "18446744073709551615"]), [0.25, 8.0, 1.0, -0.5]);
        assert!(!encoder.is_cached() && encoder.notes().is_empty());
    }
}

#[test]
fn items_without_a_vector_are_filled_or_refused_and_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), ids(&["a", "b"]), lists(&[&[1.0, 2.0], &[3.0, 6.0]]));
    let zero = encoder(&path, "").expect("an encoder");
    assert_eq!(encoded(&*zero, &["x", "b"]), [0.0, 0.0, 3.0, 6.0]);
    encoded(&*zero, &["1", "2", "3", "4", "5"]);
    let notes = zero.notes().join("\n");
    assert!(notes.contains("6 of 7 documents") && notes.ends_with(": x, 1, 2, 3, 4, …"), "{notes}");
    let mean = encoder(&path, "missing=mean").expect("an encoder");
    assert_eq!(encoded(&*mean, &["x"]), [2.0, 4.0]);
    assert_ne!(mean.fingerprint(), zero.fingerprint());
    let strict = encoder(&path, "missing=error").expect("an encoder");
    let error = strict.encode(&[Document { id: "x", fields: &[] }], &mut [0.0; 2]).expect_err("no vector");
    assert!(error.to_string().contains("item `x` is absent"), "{error}");
}

#[test]
fn a_bad_row_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let good: &[f32] = &[1.0, 2.0];
    let check = |ids: ArrayRef, vectors: ArrayRef, parts: &[&str]| {
        refused(&write(dir.path(), ids, vectors), parts);
    };
    let two = || ids(&["a", "b"]);
    check(two(), lists(&[good, &[1.0]]), &[":2:", "1 value for item `b`", "2, as in the first row"]);
    check(two(), lists(&[good, &[1.0, f32::NAN]]), &[":2:", "NaN for item `b`"]);
    check(two(), lists(&[&[], &[]]), &[":1:", "an empty list"]);
    check(ids(&["a", "a"]), lists(&[good, good]), &[":2:", "`a`, the id of vector number 1", "once"]);
    let rows = vec![Some(vec![Some(1.0)]), None];
    let gap = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    check(two(), gap, &[":2:", "null for item `b`"]);
    let rows = vec![Some(vec![Some(half(1.0))]), Some(vec![None])];
    let hole = Arc::new(ListArray::from_iter_primitive::<Float16Type, _, _>(rows));
    check(two(), hole, &[":2:", "null for item `b`"]);
    let rows = vec![Some(vec![Some(1e300)])];
    let large = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    check(ids(&["a"]), large, &[":1:", "inf for item `a`"]);
    let anonymous = Arc::new(StringArray::from(vec![Some("a"), None]));
    check(anonymous, lists(&[good, good]), &[":2:", "`item_id`", "null"]);
    check(ids(&[]), lists(&[]), &["is empty"]);
}

fn half(value: f32) -> <Float16Type as arrow_array::types::ArrowPrimitiveType>::Native {
    let one: ArrayRef = Arc::new(Float32Array::from(vec![value]));
    cast(&one, &DataType::Float16).expect("f16").as_primitive::<Float16Type>().value(0)
}

#[test]
fn another_file_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let path = write(dir.path(), ids(&["a"]), numbers.clone());
    refused(&path, &["`vector` of type Float32", "lists of f16, f32 or f64"]);
    refused(
        &write(dir.path(), numbers, lists(&[&[1.0]])),
        &["`item_id` of type Float32", "strings or integers"],
    );
    let path = write(dir.path(), ids(&["a"]), lists(&[&[1.0]]));
    let message = encoder(&path, "vector_column=v").err().expect("no column").to_string();
    assert!(message.contains("the columns item_id, vector") && message.contains("`v`"), "{message}");
    let bytes = std::fs::read(&path).expect("a file");
    for keep in 0..bytes.len() {
        std::fs::write(&path, &bytes[..keep]).expect("a part");
        assert!(encoder(&path, "").is_err(), "{keep} bytes of {}", bytes.len());
    }
    assert!(encoder(&dir.path().join("absent"), "").is_err());
}

#[test]
fn vectors_are_read_from_text_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("vectors.tsv");
    let write = |text: &[u8]| std::fs::write(&path, text).expect("written");
    write(b"item_id\tvector\na b\t1 -2e-3\r\n7\t3 4");
    assert_eq!(encoded(&*encoder(&path, "").expect("an encoder"), &["7", "a b"]), [3.0, 4.0, 1.0, -2e-3]);
    let bad = |text: &[u8], parts: &[&str]| {
        write(text);
        refused(&path, parts);
    };
    bad(b"a\t1 2\nb\t1\n", &[":2:", "1 value for item `b`"]);
    bad(b"a\t1 x\n", &[":1:", "`x` for item `a`"]);
    bad(b"a\tNaN\n", &[":1:", "NaN"]);
    bad(b"a\t1\n\n", &[":2:", "without a tab"]);
    bad(b"a\t1\n\xff\t1\n", &[":2:", "UTF-8"]);
    bad(b"a\t1\na\t1\n", &[":2:", "every id once"]);
    bad(b"", &["is empty"]);
    bad(&[b"a\t1\n".as_slice(), &vec![b'1'; (16 << 20) + 1]].concat(), &[":2:", "a line of more than"]);
}
