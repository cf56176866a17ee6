//! Dense ids, valid inside one data set only. `UserId(3)` is row 3 of that data set's user dictionary.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into a column.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A user: a row of the data set's user dictionary.
    UserId,
    u32
);
id!(
    /// An ad or an organic item: a row of the data set's catalogue.
    ItemId,
    u32
);
id!(
    /// What a user did (view, click, purchase, …): a row of the data set's action dictionary.
    ActionId,
    u8
);
