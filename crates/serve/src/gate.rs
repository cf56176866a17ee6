//! Bounded work: how many rankings are made at once, and how many candidates may wait for their turn. Who comes first is served first.

use crate::Problem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The gate in front of the ranker.
#[derive(Debug, Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
}

/// A place: work is done while it is held.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

struct Waiting<'a>(&'a AtomicUsize, usize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Gate {
    /// For so many at once, and so many candidates that wait.
    pub fn new(at_once: usize, most_waiting: usize) -> Self {
        let places = Arc::new(Semaphore::new(at_once.max(1)));
        Self { places, waiting: Arc::default(), most_waiting }
    }

    /// Candidates that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a place for work on so many candidates.
    ///
    /// # Errors
    /// 429 where too many wait already.
    pub async fn enter(&self, candidates: usize) -> Result<Place, Problem> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(Place(place));
        }
        let before = self.waiting.fetch_add(candidates, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting, candidates);
        if before + candidates > self.most_waiting {
            return Err(Problem::busy(format!(
                "{before} candidates wait to be ranked; the server takes no more now"
            )));
        }
        let place = self.places.clone().acquire_owned().await;
        place.map(Place).map_err(|_| Problem::unavailable("the server is stopping"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_may_wait_is_turned_away_and_places_come_back() {
        let gate = Gate::new(1, 100);
        let place = gate.enter(1_000).await.unwrap();
        let waits = {
            let gate = gate.clone();
            tokio::spawn(async move { gate.enter(60).await.map(drop) })
        };
        while gate.waiting() < 60 {
            tokio::task::yield_now().await;
        }
        let turned_away = gate.enter(60).await.unwrap_err();
        assert_eq!((turned_away.status, turned_away.retry_after), (429, Some(1)));
        assert_eq!(gate.waiting(), 60);
        drop(place);
        waits.await.unwrap().unwrap();
        assert_eq!(gate.waiting(), 0);
        gate.enter(1_000).await.unwrap();
    }
}
