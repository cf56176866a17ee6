//! Action names of a source and those of the data set: `--map-action 1=click`.

use super::session::Session;

/// The replacements, with whether each was used.
pub(crate) struct Actions(Vec<(String, String, bool)>);

impl Actions {
    /// Pairs of the name in the source and the name in the data set.
    pub(crate) fn new(pairs: &[(String, String)]) -> Actions {
        Actions(pairs.iter().map(|(from, to)| (from.clone(), to.clone(), false)).collect())
    }

    /// The name of an action in the data set.
    pub(crate) fn name<'a>(&'a mut self, action: &'a str) -> &'a str {
        match self.0.iter_mut().find(|(from, ..)| from == action) {
            Some((_, to, used)) => {
                *used = true;
                to
            }
            None => action,
        }
    }

    /// Warns about names that no event had.
    pub(crate) fn warn(&self, session: &mut Session) {
        for (from, to, _) in self.0.iter().filter(|(.., used)| !used) {
            session.warn(format!("no event has the action `{from}` of --map-action {from}={to}"));
        }
    }
}
