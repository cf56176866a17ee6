//! The context of a stage: progress, cancellation and threads.

use crate::Error;
use semrank_sequence::{BlendProgress, EpochReport, StepReport};

/// Something that happened while a stage was made.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A remark, in one line.
    Note(&'a str),
    /// A step of a training of at most `epochs` epochs was done.
    Step(&'a StepReport),
    /// An epoch was validated.
    Epoch {
        /// Its figures.
        report: &'a EpochReport,
        /// Whether it is the best so far.
        best: bool,
        /// Most epochs of the training.
        epochs: u64,
    },
    /// The training has ended.
    Trained,
    /// Some validation cases were looked at for the choice of the blend.
    Blend(BlendProgress),
}

/// Receives progress, from any thread.
pub trait Progress: Sync {
    /// Handles an event.
    fn event(&self, event: Event<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// Passed into everything that takes long.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Receives progress.
    pub progress: &'a dyn Progress,
    /// Whether to stop at the next step; the state of a training is kept then.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
    /// Threads of each stage; 0 = those of the pool that calls. Results do not depend on it.
    pub threads: usize,
}

impl Default for Context<'_> {
    fn default() -> Self {
        Context { progress: &Silent, cancel: &|| false, threads: 0 }
    }
}

impl Context<'_> {
    /// Reports a remark.
    pub fn note(&self, text: &str) {
        self.progress.event(Event::Note(text));
    }

    /// Returns an error if the work was cancelled; for work that has no state to keep.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when it was cancelled.
    pub fn check(&self) -> Result<(), Error> {
        if (self.cancel)() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Runs `work` on as many threads as were asked for.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if self.threads == 0 || self.threads == rayon::current_num_threads() {
            return work();
        }
        match rayon::ThreadPoolBuilder::new().num_threads(self.threads).build() {
            Ok(pool) => pool.install(work),
            // The system has no more threads to give: the result is the same on fewer.
            Err(_) => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_cancelling_are_values() {
        let context = Context { threads: 3, ..Context::default() };
        assert_eq!(context.install(rayon::current_num_threads), 3);
        assert!(context.check().is_ok());
        let cancelled = Context { cancel: &|| true, ..Context::default() };
        assert!(matches!(cancelled.check(), Err(Error::Interrupted)));
    }
}
