//! The true effect of a launch: both worlds are played, everybody in control and everybody in treatment.
//!
//! Users, requests and random numbers are the same, so that the difference is that of the slates, of what they lead to,
//! and of the budgets that they spend. It is the effect on the users of this seed; a test of the same seed
//! sees half of these users in each world, if no budget connects them.

use super::log::{TrialLog, Unit};
use super::world::TrialWorld;
use semrank_experiment::Result;
use semrank_experiment::counts::ArmCounts;
use semrank_experiment::estimate::Sample;

/// Both worlds.
pub struct Truth {
    /// The play with everybody in control, then that with everybody in treatment.
    pub logs: [TrialLog; 2],
    /// Counts of the two plays by user, or by block for a switchback.
    pub counts: [ArmCounts; 2],
    actions: Vec<String>,
}

impl TrialWorld {
    /// Plays both worlds with this process's rankers.
    ///
    /// # Errors
    /// When sums are not finite.
    pub fn truth(&self) -> Result<Truth> {
        let logs = [self.play_everybody(0), self.play_everybody(1)];
        let unit = if self.unit() == Unit::Block { Unit::Block } else { Unit::User };
        let [control, treatment] = [self.count_by(&logs[0], unit)?, self.count_by(&logs[1], unit)?];
        let counts = [control.all[0].clone(), treatment.all[1].clone()];
        Ok(Truth { logs, counts, actions: control.actions })
    }
}

impl Truth {
    /// Effect on the mean of an action per user (per block for a switchback).
    ///
    /// # Errors
    /// When no unit entered.
    ///
    /// # Panics
    /// For an action that is not counted.
    pub fn difference(&self, action: &str) -> Result<f64> {
        let [control, treatment] = self.means(action)?;
        Ok(treatment - control)
    }

    /// The same, relative to control.
    ///
    /// # Errors
    /// When no unit entered.
    ///
    /// # Panics
    /// For an action that is not counted.
    pub fn relative(&self, action: &str) -> Result<f64> {
        let [control, treatment] = self.means(action)?;
        Ok(treatment / control - 1.0)
    }

    /// Effect on the ratio of two sums, e.g. clicks per impression.
    ///
    /// # Errors
    /// When the denominator sums to 0.
    ///
    /// # Panics
    /// For an action that is not counted.
    pub fn ratio(&self, numerator: &str, denominator: &str) -> Result<f64> {
        let (above, below) = (self.column(numerator), self.column(denominator));
        let of = |arm: &ArmCounts| Ok(Sample::ratio(&arm.moments, above, below)?.value);
        Ok(of(&self.counts[1])? - of(&self.counts[0])?)
    }

    /// Effect on an action's sum over all campaigns from the start of the test to the end of the play, relative
    /// to control: what a budget split estimates.
    pub fn relative_of_campaigns(&self, world: &TrialWorld, action: &str) -> f64 {
        let sum =
            |arm: usize| self.logs[arm].by_campaign(world, action).iter().map(|row| row[arm]).sum::<f64>();
        sum(1) / sum(0) - 1.0
    }

    fn means(&self, action: &str) -> Result<[f64; 2]> {
        let column = self.column(action);
        let of = |arm: &ArmCounts| Ok(Sample::mean(&arm.moments, column)?.value);
        Ok([of(&self.counts[0])?, of(&self.counts[1])?])
    }

    fn column(&self, action: &str) -> usize {
        self.actions.iter().position(|name| name == action).expect("an action that is counted")
    }
}
