//! Values of options by name, and options that replace settings.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// What an option may say, what it means, and its help.
pub type Named<T> = (&'static str, T, &'static str);

/// Reads one of the names.
///
/// ```
/// use clap::{Arg, Command};
/// use semrank_console::options::named;
///
/// let sizes = named(&[("small", 1, "One"), ("large", 9, "Nine")]);
/// let command = Command::new("c").arg(Arg::new("size").value_parser(sizes));
/// let matches = command.get_matches_from(["c", "large"]);
/// assert_eq!(matches.get_one("size"), Some(&9));
/// ```
pub fn named<T: Copy + Send + Sync>(values: &'static [Named<T>]) -> impl TypedValueParser<Value = T> {
    let names = values.iter().map(|&(name, _, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(names).try_map(|given| {
        let found = values.iter().find(|(name, ..)| *name == given);
        found.map(|&(_, value, _)| value).ok_or("an unknown name")
    })
}

/// Replaces settings by the options of the same names that were given: `replace!(config, args => seed, users)`.
#[macro_export]
macro_rules! replace {
    ($settings:expr, $options:expr => $($name:ident),+ $(,)?) => {
        $(if let Some(given) = $options.$name {
            $settings.$name = given;
        })+
    };
}
