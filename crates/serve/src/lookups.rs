//! What a service tells of a user, of an item, and of how a ranking comes about.

use crate::memory::Named;
use crate::{Explained, Interest, Problem, RetrieveRequest, Service};
use semrank_pipeline::retrieval::{Ask, Fields};
use semrank_retrieve::Eligibility;

/// Newest events that interests are found in.
const MOST_OF_INTERESTS: usize = 500;

impl Service {
    /// A user's events, oldest first; none for somebody nobody has seen.
    pub fn history(&self, user: &str) -> Option<Vec<Named>> {
        self.ranker().memory.named(user)
    }

    /// A user's interests in words, the strongest first.
    pub fn interests(&self, user: &str) -> Vec<Interest> {
        let ranker = self.ranker();
        let Ok(data) = ranker.catalogue.run().data() else { return Vec::new() };
        let events = ranker.events_of(Some(user));
        // The newest: whoever has thousands of events would wait for their clusters.
        let newest = &events.items[events.items.len().saturating_sub(MOST_OF_INTERESTS)..];
        let found = ranker.catalogue.retrieval().interests(&data.dataset.catalog, newest).unwrap_or_default();
        let interest = |one: semrank_pipeline::next_item::Interest| Interest {
            label: one.label,
            share: one.share,
            items: one.items,
        };
        found.into_iter().map(interest).collect()
    }

    /// Ranks for a history that is given, with what each score is made of.
    ///
    /// # Errors
    /// Those of [`Service::rank`].
    pub fn explained(
        &self,
        history: &[String],
        filter: Option<&str>,
        k: usize,
    ) -> Result<Explained, Problem> {
        let eligibility = Eligibility { now_ms: self.now_ms(), filter: crate::ranker::filter(filter)? };
        let ranker = self.ranker();
        let retrieval = ranker.catalogue.retrieval();
        let events = ranker.memory.given(history, &retrieval.live());
        let ask = Ask::new(events.history(), &eligibility);
        let page = retrieval.rank(&ask, &ranker.funnels[0], k)?;
        let ranked: Vec<(f32, &str)> =
            page.items.iter().map(|item| (item.score, item.item.as_str())).collect();
        let parts = retrieval.parts(&ask, &ranked)?;
        Ok(Explained { page, parts })
    }

    /// Items whose texts have words, best first; or, where `text` is an item's id, that item.
    ///
    /// # Errors
    /// Those of [`Service::retrieve`].
    pub fn search(&self, text: &str, k: usize) -> Result<Vec<String>, Problem> {
        if self.item(text).is_some() {
            return Ok(vec![text.to_owned()]);
        }
        if !self.sources().contains(&"text") {
            return Ok(Vec::new());
        }
        let request =
            RetrieveRequest { search: Some(text.to_owned()), k: Some(k), ..RetrieveRequest::default() };
        Ok(self.retrieve(&request)?.page.items.into_iter().map(|item| item.item).collect())
    }

    /// Texts and columns of an item; none where it is not there.
    pub fn item(&self, item: &str) -> Option<Fields> {
        self.ranker().catalogue.fields(item)
    }
}
