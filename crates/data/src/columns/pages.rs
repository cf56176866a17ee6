//! The pages of a Parquet file, each looked at before it is unpacked and before it is decoded.
//!
//! A few kilobytes of a file may decode to gigabytes: a compressed page of zeros, a dictionary of one long text, a text that every
//! value shares with the one before it, a list of 2^31 numbers. Columns of strings are read as views, so that a text that many rows
//! share is in memory once; everything else is charged to a [`Budget`] per batch.
//!
//! | what expands | how it is bounded |
//! |---|---|
//! | compression | the unpacked size in a page's header |
//! | dictionaries of strings | views (`columns::views`); the number of values in the header |
//! | lengths written as differences | `delta` |
//! | lists | their repetition levels (`lists`) |

use super::delta;
use super::lists::Lists;
use super::page_header::{PageHeader, PageKind};
use crate::limits::BATCH_BYTES;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// A view of a string in a batch.
const VIEW_BYTES: u64 = 16;

/// Decoded bytes of the pages of a batch and of the one before it, which may still be in use.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Spent>);

#[derive(Debug)]
struct Spent {
    most: u64,
    before: AtomicU64,
    now: AtomicU64,
    refused: Mutex<Option<String>>,
}

impl Budget {
    pub(super) fn new(most: u64) -> Budget {
        let (before, now) = (AtomicU64::new(0), AtomicU64::new(0));
        Budget(Arc::new(Spent { most, before, now, refused: Mutex::new(None) }))
    }

    pub(super) fn most(&self) -> u64 {
        self.0.most
    }

    /// Begins another batch.
    pub(super) fn next_batch(&self) {
        self.0.before.store(self.0.now.swap(0, Relaxed), Relaxed);
    }

    /// The size that exceeded the limit, after an error.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spend(&self, bytes: u64, column: &ColumnDescriptor) -> Result<()> {
        let before = self.0.before.load(Relaxed);
        let now = self.0.now.load(Relaxed).saturating_add(bytes);
        self.0.now.store(now, Relaxed);
        if before.saturating_add(now) <= self.0.most { Ok(()) } else { self.refuse("pages", column) }
    }

    /// An error about pages or lists that are too large.
    fn refuse<T>(&self, what: &str, column: &ColumnDescriptor) -> Result<T> {
        let refused = format!(
            "{what} of column `{}` that decode to more than {} bytes",
            column.path().string(),
            self.0.most
        );
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| refused.clone());
        Err(ParquetError::General(refused))
    }
}

/// One row group, as the library asks for its columns.
pub(super) struct Group<'a> {
    pub(super) file: &'a Arc<File>,
    pub(super) metadata: &'a ParquetMetaData,
    pub(super) index: usize,
    pub(super) budget: &'a Budget,
    pub(super) rows_per_batch: u64,
    /// Columns with lists that are read at a time.
    pub(super) lists: u64,
}

impl Group<'_> {
    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.index)
    }
}

impl RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let mut pages = CheckedPages::new(self.file, self.group(), column, self.budget)?;
        if value_bytes(&pages.column) > BATCH_BYTES {
            return self.budget.refuse("values", &pages.column);
        }
        if pages.column.max_rep_level() > 0 {
            let most = self.budget.most() / 2 / self.lists.max(1) / element_bytes(&pages.column);
            pages.lists = Some(Lists::new(self.rows_per_batch, most));
        }
        Ok(Box::new(One(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// Bytes of a value in a batch.
pub(super) fn value_bytes(column: &ColumnDescriptor) -> u64 {
    match column.physical_type() {
        Type::BOOLEAN | Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE | Type::INT96 => 8,
        Type::BYTE_ARRAY => VIEW_BYTES,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or(0),
    }
}

/// Bytes of an element of a list while it is decoded: its value, two levels and an offset, in buffers that grow by doubling.
fn element_bytes(column: &ColumnDescriptor) -> u64 {
    const LEVELS_AND_OFFSET: u64 = 16;
    value_bytes(column).saturating_mul(2).saturating_add(LEVELS_AND_OFFSET)
}

/// The pages of a column in one row group.
struct One(Option<Box<dyn PageReader>>);

impl Iterator for One {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for One {}

/// The library's reader of pages, after a check of each of them.
pub(super) struct CheckedPages {
    pages: SerializedPageReader<File>,
    file: Arc<File>,
    column: ColumnDescPtr,
    /// Where the next header starts.
    at: u64,
    end: u64,
    budget: Budget,
    lists: Option<Lists>,
}

impl CheckedPages {
    pub(super) fn new(
        file: &Arc<File>,
        group: &RowGroupMetaData,
        column: usize,
        budget: &Budget,
    ) -> Result<CheckedPages> {
        let chunk = group.column(column);
        let (at, length) = chunk.byte_range();
        let rows = usize::try_from(group.num_rows())?;
        Ok(CheckedPages {
            pages: SerializedPageReader::new(file.clone(), chunk, rows, None)?,
            file: file.clone(),
            column: chunk.column_descr_ptr(),
            at,
            end: at.saturating_add(length),
            budget: budget.clone(),
            lists: None,
        })
    }

    /// Checks the next page without reading it; returns the number of its values.
    pub(super) fn look(&mut self) -> Result<Option<u64>> {
        let Some(header) = self.header()? else { return Ok(None) };
        if header.has_delta_lengths() {
            self.pages.get_next_page()?.iter().try_for_each(|page| self.check(page))?;
        } else {
            self.pages.skip_next_page()?;
        }
        Ok(Some(if header.kind == PageKind::Data { header.values } else { 0 }))
    }

    /// The next header; charges its page to the budget.
    fn header(&mut self) -> Result<Option<PageHeader>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let header = PageHeader::read(self.file.get_read(self.at)?.take(self.end - self.at));
        let header = header.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                ParquetError::General(error.to_string())
            }
            _ => error.into(),
        })?;
        self.at = self.at.saturating_add(header.header_bytes).saturating_add(header.packed_bytes);
        let mut bytes = header.unpacked_bytes.max(header.packed_bytes);
        if header.kind == PageKind::Dictionary {
            bytes = bytes.saturating_add(self.dictionary_bytes(&header)?);
        }
        self.budget.spend(bytes, &self.column)?;
        Ok(Some(header))
    }

    /// Bytes of the table of a dictionary's values, beside their texts.
    fn dictionary_bytes(&self, header: &PageHeader) -> Result<u64> {
        const LENGTH_BYTES: u64 = 4;
        let (is_text, value) = (self.column.physical_type() == Type::BYTE_ARRAY, value_bytes(&self.column));
        let least = match self.column.physical_type() {
            Type::BYTE_ARRAY => LENGTH_BYTES,
            // Of eight flags per byte.
            Type::BOOLEAN => 0,
            _ => value.max(1),
        };
        if header.values.saturating_mul(least) > header.unpacked_bytes {
            let (values, bytes) = (header.values, header.unpacked_bytes);
            return Err(ParquetError::General(format!(
                "a dictionary claims {values} values in {bytes} bytes"
            )));
        }
        Ok(if is_text { header.values.saturating_mul(VIEW_BYTES) } else { 0 })
    }

    /// Decoded size of a page.
    fn check(&mut self, page: &Page) -> Result<()> {
        if self.lists.is_none() && !delta::has_lengths(page.encoding()) {
            return Ok(());
        }
        let Some(sections) = Sections::of(page, &self.column) else {
            return Err(ParquetError::General("a page ends before its values".into()));
        };
        let values = page.num_values().into();
        let Some(bytes) = delta::unfolded_bytes(sections.values, page.encoding(), values) else {
            return Err(ParquetError::General("the lengths of a page's values are invalid".into()));
        };
        self.budget.spend(bytes, &self.column)?;
        let levels = (sections.repetition, self.column.max_rep_level());
        match self.lists.as_mut().is_none_or(|lists| lists.add(levels.0, levels.1, values)) {
            true => Ok(()),
            false => self.budget.refuse("lists", &self.column),
        }
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while self.header()?.is_some_and(|header| header.kind == PageKind::Other) {}
        let page = self.pages.get_next_page()?;
        page.iter().filter(|page| page.is_data_page()).try_for_each(|page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.look().map(drop)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The parts of a data page.
struct Sections<'a> {
    repetition: &'a [u8],
    values: &'a [u8],
}

impl<'a> Sections<'a> {
    /// None where the page is too short for them, or has levels in the form that was given up in 2013.
    fn of(page: &'a Page, column: &ColumnDescriptor) -> Option<Sections<'a>> {
        let bytes: &[u8] = page.buffer();
        let has = [column.max_rep_level() > 0, column.max_def_level() > 0];
        match page {
            Page::DataPage { rep_level_encoding, def_level_encoding, .. } => {
                let encodings = [rep_level_encoding, def_level_encoding];
                if has.iter().zip(encodings).any(|(has, encoding)| *has && *encoding != Encoding::RLE) {
                    return None;
                }
                let (repetition, rest) = if has[0] { with_length(bytes)? } else { (&bytes[..0], bytes) };
                let (_, values) = if has[1] { with_length(rest)? } else { (&rest[..0], rest) };
                Some(Sections { repetition, values })
            }
            Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, .. } => {
                let (repetition, rest) = bytes.split_at_checked(*rep_levels_byte_len as usize)?;
                Some(Sections { repetition, values: rest.get(*def_levels_byte_len as usize..)? })
            }
            Page::DictionaryPage { .. } => None,
        }
    }
}

/// Bytes after their length, and the rest.
fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
