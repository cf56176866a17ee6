//! Pages of candidates: a cursor says which items the pages so far have shown, so that the next page has none of them, whatever was put in,
//! deleted or scored anew in between, and none of those that they left.
//!
//! ```
//! # use semrank_retrieve::{Bitmap, Cursor, CursorError, CursorKey, Scope};
//! let (key, scope) = (CursorKey::new([7; 32]), Scope::of([("user", "U7"), ("filter", "kind = ad")]));
//! let mut cursor = Cursor::first(1_700_000_000_000);
//! cursor.show([4, 2]); // page 1
//! let text = cursor.seal(&key, scope)?; // sent to the caller and back
//! let cursor = Cursor::open(&text, &key, scope)?;
//! let mut eligible = Bitmap::full(5);
//! cursor.hide(&mut eligible); // page 2 is of the others
//! assert_eq!(eligible.iter().collect::<Vec<_>>(), [0, 1, 3]);
//! let other = Scope::of([("user", "U8"), ("filter", "kind = ad")]);
//! assert_eq!(Cursor::open(&text, &key, other).unwrap_err(), CursorError::OtherRequest);
//! # Ok::<(), CursorError>(())
//! ```
//!
//! **Layout**, in base64url without padding: version (1 byte) · as-of (8, little endian) · scope (16) · shown items (a Roaring bitmap in
//! its portable format) · MAC (32: BLAKE3 keyed with the caller's key, over all before it). Nothing is read but version and length before
//! the MAC has been compared, in constant time.
//!
//! **What it does not do.** It keeps no ranking: a page is the best of what is left, at the scores of its own moment. Item numbers stand for
//! items, so a scope must name whatever could give a number to another item: the run, and the process where items are put in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roaring::RoaringBitmap;
use semrank_nn::scan::Bitmap;
use std::fmt;

const VERSION: u8 = 1;
const SCOPE_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
/// Version, as-of and scope.
const HEAD_BYTES: usize = 1 + 8 + SCOPE_BYTES;
/// Items of all pages: a cursor of so many that lie far apart has 130 kB.
const MOST_SHOWN: u64 = 50_000;
/// Letters of a cursor: more than so many items can need.
const LONGEST: usize = 1 << 20;

/// What is wrong with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not one of ours, or cut short.
    #[error("the cursor is cut short or not a cursor: give it as the last page had it")]
    NotACursor,
    /// Of another program version.
    #[error("the cursor has version {got}, this program reads {expected}: begin again at the first page")]
    Version {
        /// Its version.
        got: u8,
        /// Ours.
        expected: u8,
    },
    /// A wrong MAC.
    #[error("the cursor was altered or cut short, or comes from a server or run with another key")]
    Altered,
    /// Of another scope.
    #[error(
        "the cursor belongs to another request: the next page is asked for with the same user, filter, source and search"
    )]
    OtherRequest,
    /// Too many pages.
    #[error("{shown} items were shown and a cursor holds {most}: ask with a narrower filter")]
    TooMany {
        /// Items of the pages so far.
        shown: u64,
        /// The limit.
        most: u64,
    },
}

/// What signs cursors.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// Of secret random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Shows no secret.
impl fmt::Debug for CursorKey {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("CursorKey(…)")
    }
}

/// A hash of everything that two pages of one list have in common, except their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope([u8; SCOPE_BYTES]);

impl Scope {
    /// Of names and values, such as the user and the filter; the order counts.
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("semrank cursor scope 1");
        for text in parts.into_iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        let mut out = [0; SCOPE_BYTES];
        hasher.finalize_xof().fill(&mut out);
        Self(out)
    }
}

/// The items that the pages so far have shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    as_of_ms: i64,
    shown: RoaringBitmap,
}

impl Cursor {
    /// Before the first page, asked for at a moment (ms UTC).
    pub fn first(as_of_ms: i64) -> Self {
        Self { as_of_ms, shown: RoaringBitmap::new() }
    }

    /// When the first page was asked for (ms UTC), for those who let cursors expire.
    pub fn as_of_ms(&self) -> i64 {
        self.as_of_ms
    }

    /// Takes the shown items out of those that may be shown.
    pub fn hide(&self, eligible: &mut Bitmap) {
        self.shown.iter().for_each(|item| _ = eligible.set(item, false));
    }

    /// Takes in the items of a page.
    pub fn show(&mut self, items: impl IntoIterator<Item = u32>) {
        self.shown.extend(items);
    }

    /// As text that only the owner of the key can make.
    ///
    /// # Errors
    /// [`CursorError::TooMany`].
    pub fn seal(&self, key: &CursorKey, scope: Scope) -> Result<String, CursorError> {
        if self.shown.len() > MOST_SHOWN {
            return Err(CursorError::TooMany { shown: self.shown.len(), most: MOST_SHOWN });
        }
        let mut bytes = vec![VERSION];
        bytes.extend(self.as_of_ms.to_le_bytes());
        bytes.extend(scope.0);
        self.shown.serialize_into(&mut bytes).map_err(|_| CursorError::NotACursor)?;
        let mac = blake3::keyed_hash(&key.0, &bytes);
        bytes.extend(mac.as_bytes());
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads what [`Cursor::seal`] made with the same key and scope.
    ///
    /// # Errors
    /// Any other text; the error says in which way.
    pub fn open(text: &str, key: &CursorKey, scope: Scope) -> Result<Self, CursorError> {
        if text.len() > LONGEST {
            return Err(CursorError::NotACursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::NotACursor)?;
        let split = bytes.len().checked_sub(MAC_BYTES).filter(|&at| at >= HEAD_BYTES);
        let (signed, mac) = bytes.split_at(split.ok_or(CursorError::NotACursor)?);
        if signed[0] != VERSION {
            return Err(CursorError::Version { got: signed[0], expected: VERSION });
        }
        // Compared in constant time by blake3.
        let expected = blake3::keyed_hash(&key.0, signed);
        if blake3::Hash::from_slice(mac).ok() != Some(expected) {
            return Err(CursorError::Altered);
        }
        let (head, items) = signed.split_at(HEAD_BYTES);
        let (time, of) = head[1..].split_at(8);
        if of != scope.0 {
            return Err(CursorError::OtherRequest);
        }
        let as_of_ms = time.iter().rev().fold(0, |all, &byte| all << 8 | i64::from(byte));
        let shown = RoaringBitmap::deserialize_from(items).map_err(|_| CursorError::NotACursor)?;
        Ok(Self { as_of_ms, shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CursorKey {
        CursorKey::new([3; 32])
    }

    fn sealed(items: &[u32]) -> (String, Scope) {
        let (mut cursor, scope) = (Cursor::first(-5), Scope::of([("user", "a")]));
        cursor.show(items.iter().copied());
        (cursor.seal(&key(), scope).expect("few items"), scope)
    }

    #[test]
    fn what_was_sealed_is_opened_and_nothing_else() {
        let (text, scope) = sealed(&[1, 70_000, u32::MAX]);
        let cursor = Cursor::open(&text, &key(), scope).expect("our own");
        assert_eq!(
            (cursor.as_of_ms(), cursor.shown.iter().collect::<Vec<_>>()),
            (-5, vec![1, 70_000, u32::MAX])
        );
        let refused = |text: &str| Cursor::open(text, &key(), scope).expect_err(text);
        for len in 0..text.len() {
            assert!(matches!(refused(&text[..len]), CursorError::NotACursor | CursorError::Altered), "{len}");
        }
        for at in 0..text.len() {
            for letter in ['A', 'B', '_', '=', '!', 'é'] {
                let mut other: Vec<char> = text.chars().collect();
                if std::mem::replace(&mut other[at], letter) != letter {
                    refused(&other.into_iter().collect::<String>());
                }
            }
        }
        refused(&"A".repeat(LONGEST + 1));
        refused(&format!("{text}AAAA"));
        assert_eq!(Cursor::open(&text, &CursorKey::new([4; 32]), scope), Err(CursorError::Altered));
        assert_eq!(Cursor::open(&text, &key(), Scope::of([("user", "b")])), Err(CursorError::OtherRequest));
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).expect("our own");
        bytes[0] = 2;
        let later = Cursor::open(&URL_SAFE_NO_PAD.encode(bytes), &key(), scope);
        assert_eq!(later, Err(CursorError::Version { got: 2, expected: 1 }));
    }

    #[test]
    fn scopes_do_not_run_into_each_other() {
        let scopes = [
            Scope::of([("user", "ab"), ("filter", "c")]),
            Scope::of([("user", "a"), ("filter", "bc")]),
            Scope::of([("user", "ab")]),
            Scope::of([("userab", ""), ("filter", "c")]),
        ];
        for (at, scope) in scopes.iter().enumerate() {
            assert!(!scopes[..at].contains(scope));
        }
    }

    #[test]
    fn a_cursor_is_compact_and_has_a_limit() {
        let items: Vec<u32> = (0..500).map(|item| item * 1_999).collect();
        let (text, _) = sealed(&items);
        assert!(text.len() < 500 * 4, "{} letters for 500 of a million items", text.len());
        let mut cursor = Cursor::first(0);
        cursor.show((0..MOST_SHOWN as u32 + 1).map(|item| item * 80_000 / 4));
        assert!(matches!(cursor.seal(&key(), Scope::of([])), Err(CursorError::TooMany { .. })));
        let far: Vec<u32> = (0..MOST_SHOWN as u32).map(|item| item * 85_000).collect();
        assert!(sealed(&far).0.len() <= LONGEST);
        assert_eq!(format!("{:?}", key()), "CursorKey(…)");
    }
}
