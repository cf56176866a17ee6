//! Text neighbours: for each item the candidates whose words are nearest to its own.
//!
//! Nearness is the cosine of TF-IDF rows (Salton & Buckley 1988), where a word weighs by its rarity; the best few are found by an
//! inverted index from words to items. A content vector of some hundred numbers says what an item is about and forgets its rare words:
//! a brand, a series, a size. These find the next item of a set, also one that nobody has taken yet.
//!
//! On a large catalogue the commonest words are left out, which say least and cost most: the work grows with the items, not with their
//! square.

use crate::TrainingData;
use crate::rows::{Sums, strongest};
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_nn::linalg::SparseMatrix;

/// Most multiply-adds for an item, on average; the rarest words first.
const PRODUCTS: usize = 20_000;

/// The words of a catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// TF-IDF rows of all items, `[items x words]`, of length 1 or 0.
    pub rows: &'a SparseMatrix,
    /// The items that were known when training ended: the others say nothing of words.
    pub known: &'a [bool],
}

/// The nearest `top` candidates of each item, strongest first, with their cosines. Items that occur in the training events, but never in
/// the action that is predicted, are no candidates.
pub(crate) fn text_neighbours(texts: Texts, data: &TrainingData, top: usize) -> Vec<Vec<(u32, f32)>> {
    let (rows, candidates, counted) = (texts.rows, is_candidate(data), counted(texts));
    let items_of = rows.transpose();
    let near = |near: &mut Sums, item: usize| {
        let (words, weights) = rows.row(item);
        for (&word, weight) in words.iter().zip(weights).filter(|(word, _)| counted[**word as usize]) {
            let (items, values) = items_of.row(word as usize);
            items.iter().zip(values).for_each(|(&other, value)| near.add(other, weight * value));
        }
        let is_near =
            |&(other, near): &(u32, f32)| near > 0.0 && other as usize != item && candidates[other as usize];
        strongest(near.take().filter(is_near).collect(), top)
    };
    let items = (0..rows.rows).into_par_iter();
    items.map_init(|| Sums::new(rows.rows), |sums, item| near(sums, item)).collect()
}

fn is_candidate(data: &TrainingData) -> Vec<bool> {
    let mut out = vec![true; data.items()];
    let events = (0..data.train_ends.len()).flat_map(|user| data.range(user));
    events.for_each(|at| out[data.events.event(at).item.index()] = false);
    out.iter_mut().zip(data.counts).for_each(|(out, &count)| *out |= count > 0);
    out
}

/// Which words count: those of fewest items, until the products that they take are spent.
fn counted(Texts { rows, known }: Texts) -> Vec<bool> {
    let mut items = vec![0usize; rows.cols];
    for item in (0..rows.rows).filter(|&item| known[item]) {
        rows.row(item).0.iter().for_each(|&word| items[word as usize] += 1);
    }
    let mut words: Vec<u32> = narrow::indices(rows.cols).collect();
    words.sort_by_key(|&word| items[word as usize]);
    let (mut left, mut out) = (PRODUCTS * rows.rows, vec![false; rows.cols]);
    for word in words {
        let products = items[word as usize].pow(2);
        if products > left {
            break;
        }
        left -= products;
        out[word as usize] = true;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, UserId};

    fn rows(of: &[&[(u32, f32)]], cols: usize) -> SparseMatrix {
        let mut out = SparseMatrix::empty(cols);
        of.iter().for_each(|row| out.push_row(row.iter().copied()));
        out
    }

    /// One user takes these items in turn, with these actions; action 0 is predicted.
    fn near(rows: &SparseMatrix, taken: &[(u32, u8)], top: usize) -> Vec<Vec<(u32, f32)>> {
        let mut log = EventLogBuilder::default();
        let mut counts = vec![0; rows.rows];
        for (time, &(item, action)) in (0..).zip(taken) {
            log.push(UserId(0), Event { item: ItemId(item), action: ActionId(action), time });
            counts[item as usize] += u32::from(action == 0);
        }
        let log = log.finish(1, false);
        let ends = [taken.len()];
        let data = TrainingData { target: Some(ActionId(0)), ..TrainingData::new(&log, &ends, &counts) };
        let texts = Texts { rows, known: &vec![true; rows.rows] };
        text_neighbours(texts, &data, top)
    }

    #[test]
    fn neighbours_are_the_largest_cosines_without_items_of_other_actions() {
        let rows = rows(&[&[(0, 0.6), (1, 0.8)], &[(0, 1.0)], &[(1, 1.0)], &[(1, 1.0)], &[], &[(2, 1.0)]], 3);
        // Item 2 was seen and never taken; item 3 is new.
        let found = near(&rows, &[(0, 0), (2, 1), (1, 0)], 8);
        assert_eq!(found[0], [(3, 0.8), (1, 0.6)]);
        assert_eq!(found[1], [(0, 0.6)]);
        assert_eq!(found[2], [(3, 1.0), (0, 0.8)], "it still has neighbours of its own");
        assert!(found[4].is_empty() && found[5].is_empty());
        assert_eq!(near(&rows, &[(0, 0), (1, 0)], 1)[0], [(2, 0.8)]);
    }

    #[test]
    fn words_of_too_many_items_do_not_count() {
        let most = 2 * PRODUCTS;
        let mut matrix = SparseMatrix::empty(2);
        (0..most)
            .for_each(|item| matrix.push_row([(0, 0.8)].into_iter().chain((item < 2).then_some((1, 0.6)))));
        let mut known = vec![true; most];
        assert_eq!(counted(Texts { rows: &matrix, known: &known }), [false, true]);
        // What came after training does not decide which words count.
        known[9..].fill(false);
        assert_eq!(counted(Texts { rows: &matrix, known: &known }), [true, true]);
        let found = near(&matrix, &[(0, 0)], 4);
        assert_eq!(found[0], [(1, 0.6 * 0.6)]);
        let kept = strongest((0..9_000).map(|item| (item, 1.0)).collect(), 3);
        assert_eq!(kept, [(0, 1.0), (1, 1.0), (2, 1.0)]);
        assert!(kept.capacity() < 100, "a row does not hold on to what was left out");
    }
}
