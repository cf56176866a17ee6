//! The vocabulary every other crate shares: ids, events, catalogues, segments, top-k, seeded randomness, settings.
//!
//! Nothing here reads or writes a file. Ids are strings outside the program and dense `u32` newtypes inside
//! ([`Dictionary`] translates); a history is a user and an end offset into one sorted [`EventLog`], never a copied
//! list.
//!
//! ```
//! use semrank_core::{Dictionary, ItemId};
//! let mut items = Dictionary::new();
//! assert_eq!(items.insert("0104257"), 0); // an id is a string, leading zeros and all
//! assert_eq!(items.insert("shoe"), 1);
//! assert_eq!(items.get("0104257").map(ItemId), Some(ItemId(0)));
//! assert_eq!(items.name(1), "shoe");
//! ```

mod catalog;
mod counted;
mod dictionary;
mod events;
mod ids;
pub mod narrow;
mod nearest;
mod rng;
mod segment;
pub mod settings;
pub mod span;
mod top_k;

pub use catalog::{Catalog, Kind, TextColumn};
pub use counted::{counted, plural};
pub use dictionary::Dictionary;
pub use events::{Event, EventDetails, EventLog, EventLogBuilder, History, PlacedLog, Places};
pub use ids::{ActionId, ItemId, UserId};
pub use nearest::nearest;
pub use rng::Rng;
pub use segment::{BySegment, Segment, segments};
pub use top_k::{Best, best_items};
