//! New items of a catalogue, as a click model behind it reads them.

use super::ClickRanking;
use crate::next_item::ItemEncoder;
use crate::response::{ADVERTISER, LaterItem};
use crate::retrieval::{Follower, NewItem};
use crate::{Context, Error};
use semrank_embed::Document;
use std::sync::{Arc, Mutex, PoisonError};

/// Gives a click model every new item of a catalogue.
pub struct ClickFollower {
    ranking: Arc<ClickRanking>,
    encoder: Mutex<ItemEncoder>,
}

impl ClickFollower {
    /// With the encoder of the click run ([`Run::item_encoder`](crate::Run::item_encoder)).
    pub fn new(ranking: Arc<ClickRanking>, encoder: ItemEncoder) -> Self {
        Self { ranking, encoder: Mutex::new(encoder) }
    }
}

impl Follower for ClickFollower {
    fn put(&self, items: &[NewItem], context: &Context) -> Result<(), Error> {
        let documents: Vec<Document> = items.iter().map(|item| item.document).collect();
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = encoder.encode(&documents, context)?;
        let later = items.iter().zip(&contents).map(|(item, content)| {
            let (kind, advertiser) = (item.kind(), item.text(ADVERTISER));
            (item.row, LaterItem { id: item.document.id, content, kind, advertiser })
        });
        self.ranking.put(&later.collect::<Vec<_>>())
    }
}
