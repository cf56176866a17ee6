//! A server: a service behind an address, with keys, TLS and time-outs, until it is told to stop.

use crate::api::{App, router};
use crate::keys::{Keys, KeysError};
use crate::metrics::Metrics;
use crate::{Gate, Service, Tls};
use axum_server::Handle;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

/// A header must be whole within this time, and so must a pause within a body.
const READ: Duration = Duration::from_secs(10);
/// An answer must be there within this time.
const ANSWER: Duration = Duration::from_secs(30);
/// Requests that are under way when the server is told to stop get this time.
const GRACE: Duration = Duration::from_secs(10);
/// Answers that no event has made durable are so within this time.
const FLUSH: Duration = Duration::from_secs(1);
/// Candidates that may wait for their turn.
const MOST_CANDIDATES_WAITING: usize = 200_000;

/// How a server listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// File of keys; without one, everybody may do everything.
    pub keys: Option<PathBuf>,
    /// Certificates, where there is TLS.
    pub tls: Option<Tls>,
    /// Whether to listen beyond this machine without keys.
    pub without_keys: bool,
}

/// Why a server does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address that others can reach, and no keys.
    #[error("{0} can be reached from other machines, and no keys are asked for")]
    NoKeys(SocketAddr),
    /// The file of keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate.
    #[error("{}: {source}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Serves until `stop` is true, and then until requests under way are answered. `ready` is told the address.
///
/// # Errors
/// An address, keys or a certificate that cannot be used; a system without threads.
pub fn serve(
    service: Service,
    listen: &Listen,
    stop: impl Fn() -> bool + Send + Sync + 'static,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    let keys = match &listen.keys {
        Some(path) => Keys::open(path)?,
        None if listen.address.ip().is_loopback() || listen.without_keys => Keys::default(),
        None => return Err(ServerError::NoKeys(listen.address)),
    };
    let tls = listen.tls.as_ref().map(Tls::config).transpose()?;
    let refused = |source| ServerError::Listen { address: listen.address, source };
    let listener = TcpListener::bind(listen.address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?;
    let service = Arc::new(service);
    let app = Arc::new(App {
        service: service.clone(),
        gate: Gate::new(cores, MOST_CANDIDATES_WAITING),
        keys,
        metrics: Metrics::default(),
    });
    let served = runtime.block_on(async move {
        let handle = Handle::new();
        tokio::spawn(watch(stop, handle.clone()));
        tokio::spawn(flush(app.service.clone()));
        let routes = router(app)
            .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::SERVICE_UNAVAILABLE, ANSWER))
            .layer(RequestBodyTimeoutLayer::new(READ))
            .into_make_service();
        ready(address);
        match tls {
            None => {
                let mut server = axum_server::from_tcp(listener)?.handle(handle);
                limit(server.http_builder());
                server.serve(routes).await.map_err(ServerError::from)
            }
            Some(config) => {
                let mut server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
                limit(server.http_builder());
                server.serve(routes).await.map_err(ServerError::from)
            }
        }
    });
    runtime.shutdown_timeout(GRACE);
    service.stop();
    served
}

fn limit<E>(builder: &mut hyper_util::server::conn::auto::Builder<E>) {
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(READ);
    builder
        .http2()
        .timer(hyper_util::rt::TokioTimer::new())
        .keep_alive_interval(READ)
        .keep_alive_timeout(READ);
}

async fn watch(stop: impl Fn() -> bool + Sync, handle: Handle<SocketAddr>) {
    let asked = async {
        while !stop() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = asked => {}
        () = terminated() => {}
    }
    handle.graceful_shutdown(Some(GRACE));
}

/// A service manager says so by a signal.
#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => _ = signal.recv().await,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

async fn flush(service: Arc<Service>) {
    loop {
        tokio::time::sleep(FLUSH).await;
        let service = service.clone();
        // A disk that fails is told to whoever sends the next event.
        let _ = tokio::task::spawn_blocking(move || service.flush()).await;
    }
}
