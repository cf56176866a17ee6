//! Examples of what codes mean: the most frequent first codes, below each the most frequent second ones, and so on, with the
//! texts of some items of each.

use semrank_tokens::SemanticIds;
use serde::Serialize;
use std::cmp::Reverse;

/// Branches of each depth; deeper codes are not shown.
const BRANCHES: [usize; 3] = [4, 2, 2];
/// Items whose texts stand for a prefix; one with no more items is not divided.
const TEXTS: usize = 3;

/// A prefix with the most frequent longer ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// The codes that its items share.
    pub prefix: Vec<u16>,
    /// How many items.
    pub items: usize,
    /// Of some of them.
    pub texts: Vec<String>,
    /// Prefixes with one more code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Branch>,
}

/// The tree over a catalogue's ids; `text` is asked for the text of an item's row.
pub(crate) fn grow(ids: &SemanticIds, text: &dyn Fn(usize) -> String) -> Vec<Branch> {
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_unstable_by(|&a, &b| ids.of(a).cmp(ids.of(b)).then(a.cmp(&b)));
    branches(ids, &rows, 0, text)
}

/// The branches of `rows`, which share `depth` codes and are sorted by their ids.
fn branches(ids: &SemanticIds, rows: &[usize], depth: usize, text: &dyn Fn(usize) -> String) -> Vec<Branch> {
    if depth == BRANCHES.len().min(ids.levels()) || rows.len() <= TEXTS {
        return Vec::new();
    }
    let mut groups: Vec<&[usize]> = rows.chunk_by(|&a, &b| ids.of(a)[depth] == ids.of(b)[depth]).collect();
    groups.sort_by_key(|group| Reverse(group.len()));
    let branch = |group: &[usize]| Branch {
        prefix: ids.of(group[0])[..=depth].to_vec(),
        items: group.len(),
        texts: spread(group).map(text).collect(),
        children: branches(ids, group, depth + 1, text),
    };
    groups.into_iter().take(BRANCHES[depth]).map(branch).collect()
}

/// Some items of a group, evenly over it: its first ones are nearest to each other.
fn spread(group: &[usize]) -> impl Iterator<Item = usize> {
    let len = group.len().min(TEXTS);
    (0..len).map(move |at| group[at * group.len() / len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_codes_come_first() {
        let ids = SemanticIds::new(2, 9, vec![7, 1, 3, 0, 7, 2, 7, 2, 3, 0, 7, 5]);
        let tree = grow(&ids, &|row| format!("item {row}"));
        assert_eq!((tree[0].prefix.as_slice(), tree[0].items), (&[7][..], 4));
        assert_eq!(tree[0].texts, ["item 0", "item 2", "item 3"]);
        let child = &tree[0].children[0];
        assert_eq!((child.prefix.as_slice(), child.items, child.children.len()), (&[7, 2][..], 2, 0));
        assert_eq!(tree[1].texts, ["item 1", "item 4"]);
        assert!(tree[1].children.is_empty(), "all its items are shown");
    }
}
