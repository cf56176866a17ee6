//! The items of a running program: those of the run, and what was put in, changed and deleted since, kept by a journal.
//!
//! A change is durable before anybody sees it: it is checked, its texts are encoded, it is appended and synced, and then every source has it
//! at once. Opening replays the journal, where the last record of an item counts: a deleted item comes back only where a later change put
//! it in again. Records hold texts, columns and the semantic id that was given, never filters or row numbers, so they outlive the model.

use super::Retrieval;
use super::changes::{Change, GivenId, Record, bytes_of, keep, records_of, text_of};
use super::fields::{FieldValue, Fields, NewColumns, WINDOW, apply, check};
use super::follower::{Follower, NewItem};
use crate::next_item::{EncodedItem, ItemEncoder};
use crate::{Context, Error, Run};
use semrank_core::{Dictionary, ItemId, TextColumn, narrow};
use semrank_embed::{Document, Field, check_id};
use semrank_retrieve::Items;
use semrank_store::journal::Journal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records that are encoded and applied together while a journal is replayed.
const REPLAYED: usize = 256;

/// What a change makes of an item.
struct Pending {
    record: Record,
    /// Whether its texts are to be encoded.
    encodes: bool,
    encoded: Option<EncodedItem>,
}

/// What the writer of changes holds.
struct Writer {
    encoder: ItemEncoder,
    /// Items that have changed since the run was made, in the order of their first change, and their records.
    names: Dictionary,
    records: Vec<Record>,
}

/// A run's first stage with a journal of changes.
pub struct Catalogue {
    run: Run,
    retrieval: Retrieval,
    follower: Option<Box<dyn Follower>>,
    journal: Arc<Journal>,
    writer: Mutex<Writer>,
    /// Number of the first record of the journal that was not taken in, and whether one is being taken in.
    next: AtomicU64,
    is_changing: AtomicBool,
}

impl Catalogue {
    /// Opens the first stage of a run, and the changes that a journal holds.
    ///
    /// # Errors
    /// As for [`Run::retrieval`] and [`Run::item_encoder`]; a damaged journal.
    pub fn open(run: Run, journal: Arc<Journal>, context: &Context) -> Result<Self, Error> {
        let out = Self::open_before(run, journal)?;
        out.advance(u64::MAX, context)?;
        Ok(out)
    }

    /// The same before the first change of the journal.
    ///
    /// # Errors
    /// As for [`Catalogue::open`].
    pub fn open_before(mut run: Run, journal: Arc<Journal>) -> Result<Self, Error> {
        let (retrieval, encoder) = (run.retrieval()?, run.item_encoder()?);
        run.free_content();
        let next = AtomicU64::new(journal.first_sequence());
        let writer = Mutex::new(Writer { encoder, names: Dictionary::new(), records: Vec::new() });
        let is_changing = AtomicBool::new(false);
        Ok(Self { run, retrieval, follower: None, journal, writer, next, is_changing })
    }

    /// From now on this has every new item too. To be called before [`Catalogue::advance`].
    pub fn follow(&mut self, follower: Box<dyn Follower>) {
        self.follower = Some(follower);
    }

    /// Takes in the changes of the journal up to record `until`, for which there are none of its own yet.
    ///
    /// # Errors
    /// A damaged journal; a text that an encoder refuses.
    pub fn advance(&self, until: u64, context: &Context) -> Result<(), Error> {
        let mut writer = self.writer();
        let changed = records_of(&self.journal, self.next.load(Ordering::Acquire)..until)?;
        self.replay(&mut writer, changed, context)?;
        self.next.fetch_max(until.min(self.journal.durable_end()), Ordering::AcqRel);
        Ok(())
    }

    /// What a journal says of every item that has changed, in the order of their first change: of an item of the run's catalogue only
    /// what has changed. None of one that was deleted.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn changes(journal: &Journal) -> Result<Vec<(String, Option<Fields>)>, Error> {
        let records = records_of(journal, journal.first_sequence()..u64::MAX)?;
        Ok(records.into_iter().map(|record| (record.item, record.fields)).collect())
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The sources and the items, as they are now.
    pub fn retrieval(&self) -> &Retrieval {
        &self.retrieval
    }

    /// Makes changes, in their order, all or none: when this returns they are durable, and the next request sees them.
    ///
    /// # Errors
    /// A value that its column cannot hold, a patch of an item that is not there, a text that an encoder refuses, a full disk: then nothing
    /// has changed.
    pub fn apply(&self, changes: &[Change], context: &Context) -> Result<(), Error> {
        let mut writer = self.writer();
        let (mut after, mut new_columns): (Vec<Pending>, _) = (Vec::new(), NewColumns::default());
        for change in changes {
            let id = change.item();
            let before = after.iter().rev().map(|one| &one.record).find(|record| record.item == id);
            let before = before.or_else(|| writer.names.get(id).map(|at| &writer.records[at as usize]));
            let next = self.after(change, before, &mut new_columns)?;
            after.push(next);
        }
        self.encode(&mut writer.encoder, &mut after, context)?;
        // One entry for all, so that a crash leaves all or none.
        let sequence = self.journal.append(&bytes_of(after.iter().map(|one| &one.record))?)?;
        self.journal.commit(sequence)?;
        self.is_changing.store(true, Ordering::Release);
        let shown = self.show_all(&mut writer, after, context);
        self.next.store(sequence + 1, Ordering::Release);
        self.is_changing.store(false, Ordering::Release);
        shown
    }

    /// Rewrites the journal as one record for each item that has changed.
    ///
    /// # Errors
    /// A full disk: then the journal is as it was.
    pub fn compact(&self) -> Result<(), Error> {
        let writer = self.writer();
        let entries: Result<Vec<_>, Error> = writer.records.chunks(REPLAYED).map(bytes_of).collect();
        let first = self.journal.rotate()?;
        entries?.iter().try_for_each(|entry| self.journal.append(entry).map(drop))?;
        self.journal.commit_all()?;
        self.next.store(self.journal.durable_end(), Ordering::Release);
        Ok(self.journal.remove_before(first)?)
    }

    /// What changes have made of an item, its texts and columns; `None` where it is not there. Of an item of the run's catalogue that has
    /// not changed, its texts.
    pub fn fields(&self, item: &str) -> Option<Fields> {
        let writer = self.writer();
        let record = writer.names.get(item).map(|at| &writer.records[at as usize]);
        let catalog = &self.run.data().ok()?.dataset.catalog;
        let mut out = Fields::new();
        if let Some(row) = catalog.ids.get(item) {
            let text = |column: &TextColumn| {
                (column.name.clone(), FieldValue::Text(column.values[row as usize].clone()))
            };
            out.extend(catalog.texts.iter().map(text));
        } else {
            record?;
        }
        if let Some(record) = record {
            out.extend(record.fields.clone()?);
        }
        out.retain(|_, value| *value != FieldValue::Absent);
        Some(out)
    }

    /// Number of the first record of the journal that requests do not see; none while they may see a part of it. A request that lies
    /// between two equal numbers saw exactly what is before.
    pub fn as_of(&self) -> Option<u64> {
        let next = self.next.load(Ordering::Acquire);
        (!self.is_changing.load(Ordering::Acquire)).then_some(next)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replay(&self, writer: &mut Writer, changed: Vec<Record>, context: &Context) -> Result<(), Error> {
        for block in changed.chunks(REPLAYED) {
            context.check()?;
            let pending = |record: &Record| -> Result<Pending, Error> {
                let fields = record.fields.iter().flat_map(Fields::keys);
                let encodes = !self.in_catalogue(&record.item)? || self.any_text(fields)?;
                let encodes = encodes && record.fields.is_some();
                Ok(Pending { record: record.clone(), encodes, encoded: None })
            };
            let mut block: Vec<Pending> = block.iter().map(pending).collect::<Result<_, _>>()?;
            self.encode(&mut writer.encoder, &mut block, context)?;
            self.show_all(writer, block, context)?;
        }
        Ok(())
    }

    /// Lets everything have what has become of items.
    fn show_all(
        &self,
        Writer { names, records, .. }: &mut Writer,
        changed: Vec<Pending>,
        context: &Context,
    ) -> Result<(), Error> {
        let (known, mut new) = (|| self.retrieval.live().items.len(), Vec::new());
        let done = changed.into_iter().try_for_each(|one| {
            let row = known();
            let shown = self.show(&one);
            if known() > row {
                new.push((ItemId(narrow::index(row)), one.record.clone()));
            }
            shown?;
            keep(names, records, one.record);
            Ok(())
        });
        // Also after an error: whatever the sources know, the follower has to know.
        self.tell(&new, context).and(done)
    }

    /// Lets the follower have new items.
    fn tell(&self, new: &[(ItemId, Record)], context: &Context) -> Result<(), Error> {
        let (Some(follower), false) = (&self.follower, new.is_empty()) else { return Ok(()) };
        let catalog = &self.run.data()?.dataset.catalog;
        let texts_of = |record| catalog.texts.iter().map(|column| text_of(record, catalog, column)).collect();
        let texts: Vec<Vec<Field>> = new.iter().map(|(_, record)| texts_of(record)).collect();
        let items = new.iter().zip(&texts).map(|((row, record), texts)| NewItem {
            row: *row,
            document: Document { id: &record.item, fields: texts },
            fields: record.fields.as_ref(),
        });
        follower.put(&items.collect::<Vec<_>>(), context)
    }

    fn in_catalogue(&self, item: &str) -> Result<bool, Error> {
        Ok(self.run.data()?.dataset.catalog.ids.get(item).is_some())
    }

    fn any_text<'n>(&self, mut names: impl Iterator<Item = &'n String>) -> Result<bool, Error> {
        let texts = &self.run.data()?.dataset.catalog.texts;
        Ok(names.any(|name| texts.iter().any(|column| column.name == *name)))
    }

    /// What a change makes of an item.
    fn after(
        &self,
        change: &Change,
        before: Option<&Record>,
        new_columns: &mut NewColumns,
    ) -> Result<Pending, Error> {
        let texts = &self.run.data()?.dataset.catalog.texts;
        let item = change.item().to_owned();
        check_id(&item)?;
        if item.is_empty() {
            return Err(Error::Field {
                item,
                column: "item_id".into(),
                expected: "a text that is not empty",
            });
        }
        let is_there = before.map_or(self.in_catalogue(&item)?, |record| record.fields.is_some());
        let id = before.and_then(|record| record.id.clone());
        let mut fields = before.and_then(|record| record.fields.clone()).unwrap_or_default();
        let named = match change {
            Change::Patch(..) | Change::Delete(_) if !is_there => return Err(Error::NoItem { item }),
            Change::Delete(_) => {
                return Ok(Pending {
                    record: Record { item, fields: None, id },
                    encodes: false,
                    encoded: None,
                });
            }
            Change::Put(_, named) => {
                fields.values_mut().for_each(|value| *value = FieldValue::Absent);
                let live = self.retrieval.live();
                let columns = live.items.table().names().chain(WINDOW).filter(|name| *name != "kind");
                let known = columns.chain(texts.iter().map(|column| column.name.as_str()));
                fields.extend(known.map(|name| (name.to_owned(), FieldValue::Absent)));
                named
            }
            Change::Patch(_, named) => named,
        };
        check(&self.retrieval.live().items, texts, &item, named, new_columns)?;
        fields.extend(named.clone());
        let encodes = matches!(change, Change::Put(..)) || self.any_text(named.keys())?;
        Ok(Pending { record: Record { item, fields: Some(fields), id }, encodes, encoded: None })
    }

    /// Encodes the texts of those that are to be, and gives an id to those that have none.
    fn encode(
        &self,
        encoder: &mut ItemEncoder,
        pending: &mut [Pending],
        context: &Context,
    ) -> Result<(), Error> {
        let catalog = &self.run.data()?.dataset.catalog;
        let codebook = self.run.content_hashes()[1];
        let to_encode: Vec<usize> = (0..pending.len()).filter(|&at| pending[at].encodes).collect();
        let encoded = {
            let fields: Vec<Vec<Field>> = to_encode
                .iter()
                .map(|&at| {
                    catalog.texts.iter().map(|column| text_of(&pending[at].record, catalog, column)).collect()
                })
                .collect();
            let ids = to_encode.iter().map(|&at| pending[at].record.item.as_str());
            let documents: Vec<Document> =
                ids.zip(&fields).map(|(id, fields)| Document { id, fields }).collect();
            encoder.encode(&documents, context)?
        };
        for (at, mut encoded) in to_encode.into_iter().zip(encoded) {
            let record = &mut pending[at].record;
            match &record.id {
                Some(given) if given.codebook == codebook => encoded.codes.clone_from(&given.codes),
                _ => {
                    record.id = Some(GivenId { codebook: codebook.to_owned(), codes: encoded.codes.clone() })
                }
            }
            pending[at].encoded = Some(encoded);
        }
        Ok(())
    }

    /// Lets every source have what has become of an item.
    fn show(&self, one: &Pending) -> Result<(), Error> {
        let (texts, mut done) = (&self.run.data()?.dataset.catalog.texts, Ok(()));
        let id = one.record.item.as_str();
        let set = |items: &mut Items, item: u32| match &one.record.fields {
            None => _ = items.delete(item),
            Some(fields) => {
                items.restore(item);
                done = apply(items, texts, item, fields);
            }
        };
        match &one.encoded {
            Some(encoded) => _ = self.retrieval.put(id, encoded, set)?,
            None => _ = self.retrieval.set(id, set),
        }
        Ok(done?)
    }
}
