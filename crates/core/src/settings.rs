//! Settings whose documentation, default and type stand in one place.
//!
//! [`settings!`](crate::settings!) declares a serialisable struct and, from the same lines, its list of [`Key`]s, so that `semrank
//! config` prints every key with its default and its doc comment, and an unknown key can be refused by name.
//!
//! ```
//! semrank_core::settings! {
//!     /// How to train.
//!     pub struct Train {
//!         /// Passes over the histories.
//!         epochs: usize = 12,
//!     }
//! }
//! assert_eq!(Train::default().epochs, 12);
//! assert_eq!(Train::KEYS[0].name, "epochs");
//! assert_eq!(Train::KEYS[0].doc.trim(), "Passes over the histories.");
//! ```

/// One setting of a section.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name within the section.
    pub name: &'static str,
    /// Its doc comment, one line a `///` line.
    pub doc: &'static str,
}

/// Declares a section of settings: a struct with public fields, `Default`, serde, and `KEYS`.
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// Every setting of this section, in order.
            pub const KEYS: &[$crate::settings::Key] = &[$(
                $crate::settings::Key { name: stringify!($field), doc: concat!($($doc, "\n"),+) },
            )+];
        }
    };
}
