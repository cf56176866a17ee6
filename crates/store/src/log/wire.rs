//! A client's futures for threads that wait: each has a deadline, and runs on threads of its own, so that waiting is allowed anywhere.

use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};

/// A future that is late is dropped by then.
const GRACE: Duration = Duration::from_millis(200);

/// The thread of a client.
pub(super) struct Wire(Option<Runtime>);

impl Wire {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(1).thread_name("log client").enable_all().build()?)))
    }

    /// Waits for a future; none where it is not done in time. It is dropped then, but what it has sent may still be carried out.
    pub(super) fn run<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle()?.spawn(async move {
            if let Ok(done) = tokio::time::timeout_at(until.into(), work).await {
                // Nobody waits for what is later than late.
                let _ = tell.try_send(done);
            }
        });
        told.recv_timeout(until.saturating_duration_since(Instant::now()) + GRACE).ok()
    }

    pub(super) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
