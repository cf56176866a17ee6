//! Several sources, each with a quota and a deadline; their candidates merged by reciprocal ranks, each with all sources that found it.
//!
//! `score(item) = sum over the sources that found it of 1 / (60 + rank)`, rank from 1 (reciprocal rank fusion: Cormack, Clarke & Buettcher
//! 2009, whose constant is 60). Sources are asked one after the other; one that fails, or took longer than its deadline, is left out and
//! named in the answer. Where all together find fewer items than are asked for, the first source fills up, so that a filter
//! never leaves a list short that it need not.

use crate::{Cursor, Error, Request, Scored, Sourcer};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FUSION: f32 = 60.0;

/// A source's part of a funnel.
#[derive(Clone)]
pub struct Quota {
    /// The source.
    pub source: Arc<dyn Sourcer>,
    /// Its candidates at most.
    pub items: usize,
    /// From when on its answer is late: it is left out, and the answer says so.
    pub deadline: Duration,
}

/// One source that found an item.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Provenance {
    /// The source.
    pub name: &'static str,
    /// From 1.
    pub rank: u32,
    /// The source's own score.
    pub score: f32,
}

/// A merged candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The item.
    pub item: u32,
    /// Of the fusion.
    pub score: f32,
    /// Every source that found it, in the funnel's order.
    pub sources: Vec<Provenance>,
}

/// What a source did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// The source.
    pub name: &'static str,
    /// Candidates that it found.
    pub items: usize,
    /// Candidates of it that were left out: unknown, not to be shown, or without a score.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// Microseconds that it took.
    pub micros: u64,
    /// Why it has no candidates, if something went wrong.
    pub error: Option<String>,
}

impl SourceReport {
    /// Whether it has no candidates because something went wrong.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One source's candidates, as it gave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Best first; empty where the source failed.
    pub candidates: Vec<Scored>,
    /// What it did.
    pub report: SourceReport,
}

impl Found {
    /// The place of an item, if the source found it.
    pub fn provenance(&self, item: u32) -> Option<Provenance> {
        let at = self.candidates.iter().position(|scored| scored.item == item)?;
        Some(Provenance { name: self.report.name, rank: at as u32 + 1, score: self.candidates[at].score })
    }
}

/// Merged candidates, best first, and what each source did.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The candidates.
    pub items: Vec<Candidate>,
    /// The sources, in the funnel's order.
    pub sources: Vec<SourceReport>,
}

/// The first stage: sources in a fixed order.
#[derive(Clone, Default)]
pub struct Funnel {
    quotas: Vec<Quota>,
}

impl Funnel {
    /// Of these sources; the first one fills up short answers.
    pub fn new(quotas: Vec<Quota>) -> Self {
        Self { quotas }
    }

    /// The same with another source, the last.
    #[must_use]
    pub fn with(mut self, quota: Quota) -> Self {
        self.quotas.push(quota);
        self
    }

    /// What each source finds, in the funnel's order.
    pub fn find(&self, request: &Request) -> Vec<Found> {
        self.quotas.iter().map(|quota| quota.ask(request, quota.items)).collect()
    }

    /// The best `k` merged candidates; min(k, eligible) where the first source knows every item.
    pub fn retrieve(&self, request: &Request, k: usize) -> Answer {
        let mut answer = self.gather(request, k);
        answer.items.truncate(k);
        answer
    }

    /// All merged candidates within the quotas, best first; where they are fewer than `least`, the first source fills up.
    pub fn gather(&self, request: &Request, least: usize) -> Answer {
        self.gather_after(request, least, &mut Asked::default())
    }

    /// The same for a request that other funnels were asked before: a source with the same quota is not asked again.
    pub fn gather_after(&self, request: &Request, least: usize, asked: &mut Asked) -> Answer {
        let ask = |(quota, asked): (&Quota, &mut Asked)| asked.ask(quota, request, quota.items);
        let mut found: Vec<Found> = self.quotas.iter().map(|quota| ask((quota, asked))).collect();
        let mut items = fuse(&found);
        if items.len() < least.min(request.eligible.count())
            && let (Some(first), Some(quota)) = (found.first_mut(), self.quotas.first())
            && first.report.error.is_none()
            && quota.items < least
        {
            let again = asked.ask(quota, request, least);
            let micros = first.report.micros + again.report.micros;
            if again.report.error.is_none() {
                *first = again;
            }
            first.report.micros = micros;
            items = fuse(&found);
        }
        Answer { items, sources: found.into_iter().map(|found| found.report).collect() }
    }

    /// The best `size` candidates that earlier pages have not shown, and whether another page may have more; the cursor takes them in.
    /// A page that is short because a source failed is not the last one.
    pub fn page(&self, request: &Request, size: usize, cursor: &mut Cursor) -> (Answer, bool) {
        let mut left = request.eligible.clone();
        cursor.hide(&mut left);
        let answer = self.retrieve(&Request { eligible: &left, ..*request }, size);
        cursor.show(answer.items.iter().map(|found| found.item));
        let is_full =
            answer.items.len() == size || answer.sources.iter().any(|source| source.error.is_some());
        let has_more = is_full && answer.items.len() < left.count();
        (answer, has_more)
    }
}

/// What sources found for one request, so that several funnels share it.
#[derive(Default)]
pub struct Asked(Vec<(Arc<dyn Sourcer>, usize, Found)>);

impl Asked {
    fn ask(&mut self, quota: &Quota, request: &Request, items: usize) -> Found {
        let is_it = |source: &Arc<dyn Sourcer>| Arc::ptr_eq(source, &quota.source);
        let known = self.0.iter().find(|(source, asked, _)| *asked == items && is_it(source));
        if let Some((.., found)) = known {
            return found.clone();
        }
        let found = quota.ask(request, items);
        self.0.push((quota.source.clone(), items, found.clone()));
        found
    }
}

impl Quota {
    fn ask(&self, request: &Request, items: usize) -> Found {
        let (begin, mut candidates) = (Instant::now(), Vec::new());
        let done = self.source.ask(request, items, &mut candidates);
        let took = begin.elapsed();
        let done = done.and_then(|left_out| match took > self.deadline {
            true => Err(Error::Late { deadline_ms: self.deadline.as_millis() as u64 }),
            false => Ok(left_out),
        });
        if done.is_err() {
            candidates.clear();
        }
        // A source of somebody else's may say anything.
        let given = candidates.len();
        candidates.retain(|scored| request.eligible.contains(scored.item) && !scored.score.is_nan());
        let left_out = done.as_ref().map_or(0, |left_out| left_out + given - candidates.len());
        candidates.truncate(items);
        let report = SourceReport {
            name: self.source.name(),
            items: candidates.len(),
            left_out,
            micros: took.as_micros() as u64,
            error: done.err().map(|error| error.to_string()),
        };
        Found { candidates, report }
    }
}

/// Merges the candidates of sources, best first, of equal scores the lower item.
pub(crate) fn fuse(found: &[Found]) -> Vec<Candidate> {
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut out: Vec<Candidate> = Vec::new();
    // The last source that named each candidate.
    let mut named: Vec<usize> = Vec::new();
    for (source, Found { candidates, report }) in found.iter().enumerate() {
        for (rank, scored) in (1..).zip(candidates) {
            let place = *places.entry(scored.item).or_insert(out.len());
            if place == out.len() {
                out.push(Candidate { item: scored.item, score: 0.0, sources: Vec::new() });
                named.push(usize::MAX);
            }
            let candidate = &mut out[place];
            // Named twice by one source: the better rank counts.
            if std::mem::replace(&mut named[place], source) != source {
                candidate.score += 1.0 / (FUSION + rank as f32);
                candidate.sources.push(Provenance { name: report.name, rank, score: scored.score });
            }
        }
    }
    out.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_nn::scan::Bitmap;
    use semrank_sequence::UserState;
    use semrank_sequence::testing::World;

    struct Fixed(&'static str, Result<Vec<u32>, u32>, Duration);

    impl Sourcer for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn candidates(&self, _: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
            std::thread::sleep(self.2);
            let items = self.1.as_ref().map_err(|&row| Error::NotFinite(row))?;
            out.extend(items.iter().take(n).map(|&item| Scored { item, score: 1.0 }));
            Ok(())
        }
    }

    fn funnel(sources: Vec<Fixed>, deadline: Duration) -> Funnel {
        let quota = |source| Quota { source: Arc::new(source) as Arc<dyn Sourcer>, items: 3, deadline };
        Funnel::new(sources.into_iter().map(quota).collect())
    }

    #[test]
    fn what_two_sources_find_comes_first_and_failures_are_named() {
        let none = Duration::ZERO;
        let sources = vec![
            Fixed("a", Ok(vec![1, 2, 3, 4]), none),
            Fixed("b", Ok(vec![2, 9, 2]), none),
            Fixed("c", Err(7), none),
        ];
        let (servable, user, mut eligible) = (World::new().servable, UserState::default(), Bitmap::full(9));
        let request = Request::new(&servable, &user, &eligible);
        let answer = funnel(sources, Duration::from_secs(60)).retrieve(&request, 3);
        assert_eq!(
            answer.items.iter().map(|item| item.item).collect::<Vec<_>>(),
            [2, 1, 3],
            "9 is not eligible"
        );
        let sources: Vec<_> =
            answer.items[0].sources.iter().map(|source| (source.name, source.rank)).collect();
        assert_eq!(sources, [("a", 2), ("b", 1)]);
        assert_eq!(answer.items[0].score, 1.0 / 62.0 + 1.0 / 61.0);
        let error = answer.sources[2].error.as_deref().unwrap();
        assert!(error.contains("item row 7"), "{error}");
        // Four items are asked for and the quotas give three: the first source fills up.
        let more = funnel(vec![Fixed("a", Ok(vec![1, 2, 3, 4]), none)], Duration::from_secs(60));
        assert_eq!(more.retrieve(&request, 4).items.len(), 4);
        eligible.set(2, false);
        let request = Request::new(&servable, &user, &eligible);
        assert_eq!(
            more.retrieve(&request, 9).items.iter().map(|item| item.item).collect::<Vec<_>>(),
            [1, 3, 4]
        );
    }

    /// Answers small questions only.
    struct Tired;

    impl Sourcer for Tired {
        fn name(&self) -> &'static str {
            "tired"
        }

        fn candidates(&self, _: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
            out.extend((0..n as u32).map(|item| Scored { item, score: 0.0 }));
            if n > 3 { Err(Error::NotFinite(0)) } else { Ok(()) }
        }
    }

    #[test]
    fn what_was_found_stays_when_filling_up_fails() {
        let quota = Quota { source: Arc::new(Tired), items: 3, deadline: Duration::MAX };
        let (servable, user, eligible) = (World::new().servable, UserState::default(), Bitmap::full(9));
        let answer = Funnel::new(vec![quota]).retrieve(&Request::new(&servable, &user, &eligible), 5);
        assert_eq!((answer.items.len(), answer.sources[0].items), (3, 3));
    }

    /// Counts how often it is asked.
    struct Counted(std::sync::atomic::AtomicUsize);

    impl Sourcer for Counted {
        fn name(&self) -> &'static str {
            "counted"
        }

        fn candidates(&self, _: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            out.extend((0..n as u32).map(|item| Scored { item, score: 0.0 }));
            Ok(())
        }
    }

    #[test]
    fn funnels_of_one_request_ask_a_source_once_for_each_quota() {
        let source = Arc::new(Counted(Default::default()));
        let with = |items: usize| {
            Funnel::new(vec![Quota { source: source.clone(), items, deadline: Duration::MAX }])
        };
        let (servable, user, eligible) = (World::new().servable, UserState::default(), Bitmap::full(9));
        let (request, mut asked) = (Request::new(&servable, &user, &eligible), Asked::default());
        let first = with(3).gather_after(&request, 3, &mut asked);
        assert_eq!(with(3).gather_after(&request, 3, &mut asked), first);
        assert_eq!(source.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        // Another quota, and filling up, are other questions.
        assert_eq!(with(5).gather_after(&request, 3, &mut asked), with(5).gather(&request, 3));
        assert_eq!(with(3).gather_after(&request, 6, &mut asked).items.len(), 6);
        assert_eq!(source.0.load(std::sync::atomic::Ordering::Relaxed), 4);
    }

    #[test]
    fn a_late_source_is_named_and_left_out() {
        let slow = Fixed("slow", Ok(vec![1]), Duration::from_millis(20));
        let (servable, user, eligible) = (World::new().servable, UserState::default(), Bitmap::full(9));
        let request = Request::new(&servable, &user, &eligible);
        let answer = funnel(vec![slow], Duration::from_millis(1)).retrieve(&request, 3);
        assert!(answer.items.is_empty());
        assert_eq!(answer.sources[0].error.as_deref(), Some("no answer within 1 ms"));
    }
}
