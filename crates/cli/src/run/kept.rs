//! Which epoch of a training was kept, in a sentence that says when more epochs may help.

/// How a training chose its epoch.
pub(super) struct Kept {
    /// The epoch that was kept, from 1; 0 where nothing was chosen.
    pub(super) best: usize,
    /// Epochs done.
    pub(super) done: usize,
    /// Whether there was validation to choose by.
    pub(super) validated: bool,
    /// Whether no epoch could be better.
    pub(super) perfect: bool,
}

impl Kept {
    /// `setting` is the one that allows more epochs.
    pub(super) fn sentence(&self, setting: &str) -> String {
        let Kept { best, done, .. } = self;
        let more = match self {
            Kept { validated: false, .. } => {
                ": the last one, as there are no validation rows to choose by".into()
            }
            Kept { perfect: true, .. } => ": it ranks every validation target first".into(),
            _ if best == done => {
                format!(": the last one was the best, so more may help: --set {setting}={}", done * 2)
            }
            _ => String::new(),
        };
        format!("epoch {best} of {done} was kept{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_epoch_that_was_the_best_is_told() {
        let kept = |best, done| Kept { best, done, validated: true, perfect: false };
        assert_eq!(kept(3, 9).sentence("train.epochs"), "epoch 3 of 9 was kept");
        assert_eq!(
            kept(12, 12).sentence("train.epochs"),
            "epoch 12 of 12 was kept: the last one was the best, so more may help: --set train.epochs=24"
        );
        let blind = Kept { validated: false, ..kept(10, 10) };
        assert!(blind.sentence("pointwise.epochs").ends_with("no validation rows to choose by"));
        let perfect = Kept { perfect: true, ..kept(1, 1) };
        assert!(perfect.sentence("train.epochs").ends_with("ranks every validation target first"));
    }
}
