//! Lists of ids that are written as text.

/// The ids of a list: divided by `separator`, or in one of the usual notations, `1, 2`, `[1, 2]`, `['a', 'b']` or `1 2`.
pub(crate) fn ids<'a>(text: &'a str, separator: Option<&str>) -> Vec<&'a str> {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parts: Vec<&str> = match separator {
        Some(separator) => text.split(separator).collect(),
        None if text.contains(',') => text.split(',').collect(),
        None => text.split_ascii_whitespace().collect(),
    };
    let parts = parts.into_iter().map(|id| id.trim().trim_matches(['\'', '"']));
    parts.filter(|id| !id.is_empty()).collect()
}

/// Separators that are tried where none is given.
const USUAL_SEPARATORS: [&str; 11] = ["^", "|", ";", ",", " ", "\t", ":", "/", "~", "#", "&"];

/// The separator that divides `text` into ids that are `known`.
pub(crate) fn separator(text: &str, known: impl Fn(&str) -> bool) -> Option<&'static str> {
    let divides = |separator: &&&str| {
        let parts = ids(text, Some(separator));
        parts.len() > 1 && parts.into_iter().all(&known)
    };
    USUAL_SEPARATORS.iter().find(divides).copied()
}

/// Advice on a list whose entry is not an id.
pub(crate) fn advice(separator: Option<&str>) -> String {
    match separator {
        Some(separator) => format!("--history-separator '{separator}' divides it into known items"),
        None => "--history-separator gives the separator between the items of a list".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_the_usual_notations() {
        for text in ["1, 07", "[1, 07]", "['1', '07']", "1 07", " [1,07] "] {
            assert_eq!(ids(text, None), ["1", "07"], "{text}");
        }
        assert!(ids("[]", None).is_empty() && ids("", None).is_empty());
        assert_eq!(ids("a b^07", Some("^")), ["a b", "07"]);
    }

    #[test]
    fn separators_are_found_by_what_they_divide_into() {
        let known = |id: &str| ["1", "07", "a b"].contains(&id);
        assert_eq!(separator("1^07", known), Some("^"));
        assert_eq!(separator("a b|1", known), Some("|"));
        assert_eq!(separator("1^8", known), None);
    }
}
