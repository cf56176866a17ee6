//! How often a data set is read, and after how many passes each validation follows.
//!
//! A training of a small data set gets more passes than the settings say, so that it has a least number of steps; but sixty rows
//! are one step per pass, and thousands of passes over them teach nothing more, while each would be validated, saved and shown.
//! So the passes that are added are limited, and many of them are validated a few at a time: in rounds.
//!
//! ```text
//! Rounds::new(12, 3000, 64)   47 passes, a validation after each
//! Rounds::new(12, 3000, 1)    200 passes, a validation after every ninth
//! ```

/// Passes that are added to those of the settings end here.
const MOST_PASSES: u64 = 200;
/// So many passes are validated one by one, more of them in about half as many rounds.
const MOST_ROUNDS: u64 = 48;

/// The passes of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// Passes at most.
    pub passes: u64,
    /// Passes of a round, which a validation ends.
    pub each: u64,
}

impl Rounds {
    /// For `epochs` passes, or as many more as give `least_steps`.
    pub fn new(epochs: usize, least_steps: u64, steps_per_pass: u64) -> Self {
        let epochs = epochs as u64;
        let passes = epochs.max(least_steps.div_ceil(steps_per_pass.max(1)).min(MOST_PASSES));
        let one_by_one = passes <= epochs.max(MOST_ROUNDS);
        Self { passes, each: if one_by_one { 1 } else { passes.div_ceil(MOST_ROUNDS / 2) } }
    }

    /// The passes that are done at the end of the round after `done` passes.
    pub fn next(self, done: u64) -> u64 {
        (done + self.each).min(self.passes)
    }

    /// Passes without a better one that end a training: as large a share of all as `patience` is of `epochs`, as curves of small
    /// passes are noisy. 0 = never.
    pub fn patience(self, patience: usize, epochs: usize) -> u64 {
        (patience as u64 * self.passes).div_ceil(epochs.max(1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_not_read_a_thousand_times() {
        let check = |steps_per_pass, passes, each| {
            assert_eq!(Rounds::new(12, 3000, steps_per_pass), Rounds { passes, each }, "{steps_per_pass}");
        };
        check(1, 200, 9);
        check(2, 200, 9);
        check(20, 150, 7);
        check(63, 48, 1);
        check(300, 12, 1);
        check(0, 200, 9);
        // What the settings ask for is done as they say.
        assert_eq!(Rounds::new(500, 3000, 1), Rounds { passes: 500, each: 1 });
        assert_eq!(Rounds::new(12, 0, 1), Rounds { passes: 12, each: 1 });
    }

    #[test]
    fn the_last_round_ends_with_the_last_pass() {
        let rounds = Rounds::new(12, 3000, 1);
        let ends: Vec<u64> =
            std::iter::successors(Some(0), |&done| Some(rounds.next(done))).take(24).collect();
        assert_eq!((ends[1], ends[22], ends[23]), (9, 198, 200));
        assert_eq!(rounds.patience(6, 12), 100);
        assert_eq!(rounds.patience(0, 12), 0);
    }
}
