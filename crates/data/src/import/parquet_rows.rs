//! Parquet files as rows of text cells; only the selected columns are read.

use super::rows::{CellKind, Column, Heading, MOST_EXACT_F64, Reader, Row, Rows, float_text, is_exact};
use super::source::{self, Source, is_standard_input, label};
use crate::Error;
use crate::columns::{Batch, Batches, Table, lost};
use crate::limits::{self, MOST_LINE_BYTES, TIMES_EXPECTED};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int64Array, ListArray, StringViewArray, UInt64Array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A Parquet file.
pub(crate) struct ParquetRows {
    table: Table,
    batches: Option<Batches>,
    cells: Vec<Cells>,
    rows: usize,
    at: usize,
    first_row: u64,
}

impl ParquetRows {
    pub(crate) fn open(path: &Path) -> Result<Rows, Error> {
        let packed = ["gz", "zst", "zstd"];
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.is_some_and(|extension| packed.contains(&extension.as_str())) {
            true => Self::unpacked(path, source::open(path)?),
            false => Ok(Self::of(path, Table::open(path)?)),
        }
    }

    /// The same of a file that is packed, or comes through standard input.
    pub(crate) fn unpacked(path: &Path, source: Source) -> Result<Rows, Error> {
        Ok(Self::of(label(path), unpacked(path, source)?))
    }

    fn of(path: &Path, table: Table) -> Rows {
        let columns = table
            .schema()
            .fields()
            .iter()
            .map(|field| Column { name: field.name().clone(), kind: kind(field.data_type()) })
            .collect();
        let reader = ParquetRows { table, batches: None, cells: Vec::new(), rows: 0, at: 0, first_row: 1 };
        Rows::new(Heading::new(path, columns), reader)
    }

    fn load(&mut self, heading: &Heading, batch: &Batch) -> Result<(), Error> {
        self.cells.clear();
        for (_, Column { name, .. }) in heading.selection() {
            let column = batch.column(name);
            let cells = column.and_then(Cells::new).ok_or_else(|| Error::Schema {
                path: heading.path.clone(),
                got: format!("column `{name}` of a type that cannot be read as text"),
                expected: "strings, numbers, times or lists of strings".into(),
            })?;
            if let Some(row) = column.and_then(|column| lost(column, cells.array())) {
                return Err(batch.error(row, name, "a time beyond 64 bits of milliseconds", TIMES_EXPECTED));
            }
            self.cells.push(cells);
        }
        (self.rows, self.at, self.first_row) = (batch.rows(), 0, batch.first_row);
        Ok(())
    }
}

impl Reader for ParquetRows {
    fn select(&mut self, heading: &Heading) -> Result<(), Error> {
        let names: Vec<&str> = heading.selection().map(|(_, column)| column.name.as_str()).collect();
        self.batches = Some(self.table.read(&names)?);
        Ok(())
    }

    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        while self.at == self.rows {
            let Some(batch) = self.batches.as_mut().map(Batches::next_batch).transpose()?.flatten() else {
                return Ok(false);
            };
            self.load(heading, &batch)?;
        }
        let line = self.first_row + self.at as u64;
        if self.cells.iter().map(|cells| cells.bytes(self.at)).sum::<usize>() > MOST_LINE_BYTES {
            return Err(Error::LineTooLong { path: heading.path.clone(), line, most: MOST_LINE_BYTES });
        }
        row.start(line);
        self.cells.iter().for_each(|cells| cells.push(self.at, row));
        self.at += 1;
        Ok(true)
    }
}

/// Parquet needs to seek, so a packed file is unpacked into an unnamed temporary one, and standard input written to one.
fn unpacked(path: &Path, source: Source) -> Result<Table, Error> {
    let mut file = tempfile::tempfile().map_err(Error::io("unpack", path))?;
    let name = label(path);
    if is_standard_input(path) {
        std::io::copy(&mut source.take(u64::MAX), &mut file).map_err(source::read_error(name))?;
    } else {
        let packed = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let most = limits::most_unpacked_bytes(packed);
        let unpacked = std::io::copy(&mut source.take(most + 1), &mut file);
        if unpacked.map_err(source::read_error(path))? > most {
            let reason = format!("its {packed} bytes hold more than {most}");
            return Err(Error::Damaged { path: path.to_owned(), format: "gzip", reason });
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(Error::io("unpack", name))?;
    Table::from_file(name, file)
}

fn kind(arrow: &DataType) -> CellKind {
    match arrow {
        kind if kind.is_integer() => CellKind::Integer,
        DataType::Float64 => CellKind::Float,
        kind if kind.is_floating() => CellKind::SmallFloat,
        DataType::Timestamp(_, zone) => CellKind::Time { zoned: zone.is_some() },
        DataType::Date32 | DataType::Date64 => CellKind::Time { zoned: false },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => CellKind::Text,
        DataType::Decimal128(..) | DataType::Null => CellKind::Text,
        DataType::Dictionary(_, values) => kind(values),
        DataType::List(item) | DataType::LargeList(item) => match kind(item.data_type()) {
            CellKind::Other(_) => CellKind::Other(arrow.to_string()),
            _ => CellKind::List,
        },
        other => CellKind::Other(other.to_string()),
    }
}

/// Every whole number up to here is a 32-bit float, 2^24.
const MOST_EXACT_F32: f64 = 16_777_216.0;
/// The same of 16-bit floats: 2^11.
const MOST_EXACT_F16: f64 = 2048.0;

/// One column of a batch, in the few layouts that have a text.
enum Cells {
    Text(StringViewArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    // Not widened: 2.55 must not become 2.549999952316284. With the most that an id may be.
    Float(Float32Array, f64),
    Double(Float64Array),
    // With whether its values are exactly the file's: floats are printed in another way.
    List(ListArray, bool),
}

impl Cells {
    fn new(array: &ArrayRef) -> Option<Cells> {
        let to = |kind: &DataType| cast(array, kind).ok();
        Some(match array.data_type() {
            kind if kind.is_unsigned_integer() => {
                Cells::Unsigned(to(&DataType::UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            kind if kind.is_integer() => {
                Cells::Integer(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Float64 => Cells::Double(array.as_primitive::<Float64Type>().clone()),
            kind if kind.is_floating() => {
                let most_exact = if *kind == DataType::Float16 { MOST_EXACT_F16 } else { MOST_EXACT_F32 };
                Cells::Float(to(&DataType::Float32)?.as_primitive::<Float32Type>().clone(), most_exact)
            }
            DataType::Timestamp(_, zone) => {
                let ms = to(&DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
                Cells::Integer(cast(&ms, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
            }
            DataType::Date32 | DataType::Date64 => {
                let ms = cast(&to(&DataType::Date64)?, &DataType::Int64).ok()?;
                Cells::Integer(ms.as_primitive::<Int64Type>().clone())
            }
            DataType::List(item) | DataType::LargeList(item) => {
                let exact = !item.data_type().is_floating();
                let strings = Field::new("item", DataType::Utf8View, true);
                Cells::List(to(&DataType::List(Arc::new(strings)))?.as_list::<i32>().clone(), exact)
            }
            _ => Cells::Text(to(&DataType::Utf8View)?.as_string_view().clone()),
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Cells::Text(column) => column,
            Cells::Integer(column) => column,
            Cells::Unsigned(column) => column,
            Cells::Float(column, _) => column,
            Cells::Double(column) => column,
            Cells::List(column, _) => column,
        }
    }

    /// Bytes of the texts of a cell: many cells, and elements of one list, may have a text in common.
    fn bytes(&self, at: usize) -> usize {
        match self {
            Cells::Text(column) if column.is_valid(at) => column.value(at).len(),
            Cells::List(column, _) if column.is_valid(at) => {
                let ends = column.value_offsets();
                let views =
                    &column.values().as_string_view().views()[ends[at] as usize..ends[at + 1] as usize];
                // A view begins with its length.
                views.iter().map(|&view| view as u32 as usize).sum()
            }
            _ => 0,
        }
    }

    fn push(&self, at: usize, out: &mut Row) {
        match self {
            Cells::Text(column) if column.is_valid(at) => out.push(column.value(at), true),
            Cells::Integer(column) if column.is_valid(at) => out.push(&column.value(at).to_string(), true),
            Cells::Unsigned(column) if column.is_valid(at) => out.push(&column.value(at).to_string(), true),
            Cells::Float(column, most_exact) if column.is_valid(at) => {
                let exact = is_exact(column.value(at).into(), *most_exact);
                out.push(&float_text(column.value(at)), exact);
            }
            Cells::Double(column) if column.is_valid(at) => {
                out.push(&float_text(column.value(at)), is_exact(column.value(at), MOST_EXACT_F64));
            }
            Cells::List(column, exact) if column.is_valid(at) => {
                let values = column.value(at);
                let texts: Vec<&str> = values.as_string_view().iter().flatten().collect();
                out.push_list(&texts, *exact);
            }
            _ => out.push("", true),
        }
    }
}
