//! The thread that writes snapshots, while a service runs and once more when it stops.

use super::{SnapshotError, Snapshots};
use crate::ingest::Ingest;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the number of new records is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// When a snapshot is written, where something has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEvery {
    /// After so many records.
    pub records: u64,
    /// Or after so long.
    pub time: Duration,
}

impl Default for SnapshotEvery {
    fn default() -> Self {
        Self { records: 1_000_000, time: Duration::from_secs(600) }
    }
}

/// A running thread.
pub(crate) struct Keeper {
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(
        snapshots: Arc<Snapshots>,
        ingest: Arc<Ingest>,
        every: SnapshotEvery,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let (mut tried, mut has_failed) = (Instant::now(), false);
        let run = move || {
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let new = ingest.as_of().saturating_sub(snapshots.written().as_of);
                // After a failure the disk gets some time.
                let is_due = tried.elapsed() >= every.time || new >= every.records && !has_failed;
                if new > 0 && is_due {
                    tried = Instant::now();
                    has_failed = !write(&snapshots, &ingest);
                }
            }
            write(&snapshots, &ingest);
        };
        let thread = std::thread::Builder::new().name("snapshot".into()).spawn(run)?;
        Ok(Self { running: Mutex::new(Some((stop, thread))) })
    }

    /// Writes the last snapshot, where something has changed, and ends the thread.
    pub(crate) fn stop(&self) {
        if let Some((stop, thread)) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(stop);
            // It does not panic; if it did, the log is whole.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns whether the disk and the log did what they were asked.
fn write(snapshots: &Snapshots, ingest: &Ingest) -> bool {
    match snapshots.write(ingest) {
        Ok(()) | Err(SnapshotError::Outdated) => return true,
        Err(error) => eprintln!("no snapshot was written, so the next start takes longer: {error}"),
    }
    snapshots.written().failures += 1;
    false
}
