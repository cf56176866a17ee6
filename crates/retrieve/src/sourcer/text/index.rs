//! Items and their words in, the best eligible items of a query out: `tantivy`'s segments in memory, read word by word.
//!
//! Its own collectors and scorers are not used: they sum a score in the order in which words run out, which depends on the segments, and
//! count replaced texts in frequencies until segments are merged. Here a segment's postings are added to one number per item.

use super::query::Query;
use crate::{Error, Scored};
use semrank_embed::hash::words;
use semrank_nn::scan::Bitmap;
use std::sync::{Mutex, PoisonError};
use tantivy::indexer::IndexWriterOptions;
use tantivy::postings::Postings;
use tantivy::query::Bm25Weight;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::Compressor;
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{
    DocSet, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, SegmentReader,
    TERMINATED, TantivyDocument, TantivyError, Term,
};

/// Bytes of words that are gathered before they become a segment.
const GATHERED_BYTES: usize = 64 << 20;
const ITEM: &str = "item";
const TEXT: &str = "text";

/// An inverted index.
pub(super) struct WordIndex {
    item: Field,
    text: Field,
    reader: IndexReader,
    state: Mutex<State>,
}

struct State {
    writer: IndexWriter,
    /// Words of every item's text.
    lengths: Vec<u32>,
    /// Their sum.
    words: u64,
    /// Whether something is queued that no search sees.
    is_queued: bool,
    searchable: Snapshot,
}

/// What a search reads.
#[derive(Clone)]
struct Snapshot {
    searcher: Searcher,
    /// Words of all texts in it.
    words: u64,
}

/// A word of a query that some item has.
struct Weighted {
    term: Term,
    /// Of the query, times the inverse document frequency.
    weight: f32,
    bm25: Bm25Weight,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Backend { backend: "the index of texts".to_owned(), message: error.to_string() }
}

impl WordIndex {
    /// Without items.
    pub(super) fn new() -> Result<Self, Error> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs);
        let item = schema.add_u64_field(ITEM, FAST | INDEXED);
        let text = schema.add_text_field(TEXT, TextOptions::default().set_indexing_options(indexing));
        // Nothing is stored, so there is nothing to compress on a thread of its own.
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let index =
            Index::builder().schema(schema.build()).settings(settings).create_in_ram().map_err(failed)?;
        let threads = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1);
        let options = threads.memory_budget_per_thread(GATHERED_BYTES).build();
        let writer = index.writer_with_options(options).map_err(failed)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        let searchable = Snapshot { searcher: reader.searcher(), words: 0 };
        let state = State { writer, lengths: Vec::new(), words: 0, is_queued: false, searchable };
        Ok(Self { item, text, reader, state: Mutex::new(state) })
    }

    /// Queues the text of an item, in place of an earlier one.
    pub(super) fn put(&self, item: u32, text: &str) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (words, at) = (words(text), item as usize);
        if state.lengths.len() <= at {
            state.lengths.resize(at + 1, 0);
        }
        if state.lengths[at] > 0 {
            state.writer.delete_term(Term::from_field_u64(self.item, u64::from(item)));
        }
        let length = words.len() as u32;
        state.words = state.words - u64::from(state.lengths[at]) + u64::from(length);
        state.lengths[at] = length;
        state.is_queued = true;
        if length > 0 {
            let token = |(position, text)| Token { position, text, ..Token::default() };
            let tokens = words.into_iter().enumerate().map(token).collect();
            let mut document = TantivyDocument::default();
            document.add_u64(self.item, u64::from(item));
            document.add_pre_tokenized_text(self.text, PreTokenizedString { text: String::new(), tokens });
            state.writer.add_document(document).map_err(failed)?;
        }
        Ok(())
    }

    /// Makes what is queued searchable now, not at the next search.
    pub(super) fn publish(&self) -> Result<(), Error> {
        self.snapshot().map(drop)
    }

    /// Makes what is queued searchable.
    fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_queued {
            state.writer.commit().map_err(failed)?;
            self.reader.reload().map_err(failed)?;
            state.searchable = Snapshot { searcher: self.reader.searcher(), words: state.words };
            state.is_queued = false;
        }
        Ok(state.searchable.clone())
    }

    /// The eligible items that have a word of the query, in no order; the `most` words of most weight count.
    pub(super) fn search(&self, query: &Query, most: usize, eligible: &Bitmap) -> Result<Vec<Scored>, Error> {
        let snapshot = self.snapshot()?;
        let words = self.weighted(&snapshot, query, most).map_err(failed)?;
        let mut out = Vec::new();
        if !words.is_empty() {
            for segment in snapshot.searcher.segment_readers() {
                self.add_segment(segment, &words, eligible, &mut out).map_err(failed)?;
            }
        }
        Ok(out)
    }

    /// The words of a query that items have, those of most weight first, of equal ones the lower word.
    fn weighted(
        &self,
        snapshot: &Snapshot,
        query: &Query,
        most: usize,
    ) -> Result<Vec<Weighted>, TantivyError> {
        let Snapshot { searcher, words } = snapshot;
        let items = searcher.num_docs();
        let average = *words as f32 / items.max(1) as f32;
        let mut out = Vec::new();
        for (word, &weight) in &query.words {
            let term = Term::from_field_text(self.text, word);
            let with = self.items_with(searcher, &term)?;
            if with > 0 {
                let bm25 = Bm25Weight::for_one_term_without_explain(with, items, average).boost_by(weight);
                out.push(Weighted { term, weight: bm25.max_score(), bm25 });
            }
        }
        // Stable, and the words come ascending.
        out.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        out.truncate(most);
        Ok(out)
    }

    /// Items whose present text has a word.
    fn items_with(&self, searcher: &Searcher, term: &Term) -> Result<u64, TantivyError> {
        let mut out = 0;
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(self.text)?;
            out += u64::from(match segment.alive_bitset() {
                None => index.doc_freq(term)?,
                Some(alive) => match index.read_postings(term, IndexRecordOption::Basic)? {
                    Some(postings) => postings.doc_freq_given_deletes(alive),
                    None => 0,
                },
            });
        }
        Ok(out)
    }

    fn add_segment(
        &self,
        segment: &SegmentReader,
        words: &[Weighted],
        eligible: &Bitmap,
        out: &mut Vec<Scored>,
    ) -> Result<(), TantivyError> {
        let index = segment.inverted_index(self.text)?;
        let lengths = segment.get_fieldnorms_reader(self.text)?;
        let mut scores = vec![0.0f32; segment.max_doc() as usize];
        for word in words {
            let Some(mut postings) = index.read_postings(&word.term, IndexRecordOption::WithFreqs)? else {
                continue;
            };
            let mut row = postings.doc();
            while row != TERMINATED {
                scores[row as usize] += word.bm25.score(lengths.fieldnorm_id(row), postings.term_freq());
                row = postings.advance();
            }
        }
        let items = segment.fast_fields().u64(ITEM)?;
        for (row, &score) in (0..).zip(&scores) {
            // Every word that an item has adds more than 0.
            if score > 0.0
                && !segment.is_deleted(row)
                && let Some(item) = items.first(row)
                && eligible.contains(item as u32)
            {
                out.push(Scored { item: item as u32, score });
            }
        }
        Ok(())
    }
}
