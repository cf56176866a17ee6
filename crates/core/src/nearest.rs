//! "Did you mean …?": the known name that an unknown one was probably meant to be.

/// The one of `known` with the least edit distance to `name` (Levenshtein; case does not count), ties to the first; none where even
/// that one is not a likely slip: more than a third of the letters differ, and it does not end in the whole name.
///
/// ```
/// use semrank_core::nearest;
/// assert_eq!(nearest("trian.epochs", ["data.split", "train.epochs"]), Some("train.epochs"));
/// assert_eq!(nearest("epochs", ["data.split", "train.epochs"]), Some("train.epochs"));
/// assert_eq!(nearest("user-7", ["A1YJEY40YUW4SE", "A60XNB876KYML"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (name, most) = (name.to_lowercase(), name.chars().count().div_ceil(3));
    let scored = known.into_iter().map(|candidate| {
        let lower = candidate.to_lowercase();
        let (letters, is_end) = (distance(&name, &lower), name.len() > 2 && lower.ends_with(&name));
        (if is_end { letters.min(1) } else { letters }, candidate)
    });
    scored
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, name)| name)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
